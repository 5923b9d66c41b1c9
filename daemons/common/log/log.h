#pragma once
// Structured logging: journald fields where stderr is the journal (sd_journal_sendv), "LEVEL message key=value ..." text elsewhere.
// Library code does not log; a program logs once, where it handles the event. A non-fatal line ends with what happens next.
#include <initializer_list>
#include <string>
#include <string_view>

namespace pilvi::log {

enum class Level { debug = 7, info = 6, notice = 5, warning = 4, error = 3 };  // syslog priorities

// A journal field: `key` upper case as journald wants it (REQUEST_ID, PROJECT_ID, INSTANCE_UUID, ...).
struct Field {
    std::string_view key;
    std::string_view value;
};
using Fields = std::initializer_list<Field>;

void set_level(Level least);
Level level();
// "debug" ... "error"; throws Error(bad_request) otherwise.
Level parse_level(std::string_view name);

void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void notice(std::string_view message, Fields fields = {}) { write(Level::notice, message, fields); }
inline void warning(std::string_view message, Fields fields = {}) { write(Level::warning, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

}  // namespace pilvi::log
