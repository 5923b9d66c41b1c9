#include "log/log.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace pilvi::log {
namespace {
std::atomic<int> least{static_cast<int>(Level::info)};

struct Name {
    Level level;
    std::string_view text;
};
constexpr std::array names{Name{Level::debug, "debug"}, Name{Level::info, "info"}, Name{Level::notice, "notice"}, Name{Level::warning, "warning"},
                           Name{Level::error, "error"}};

std::string_view name_of(Level level) {
    for (const Name& n : names)
        if (n.level == level) return n.text;
    return "info";
}

// systemd sets JOURNAL_STREAM to the device and inode of the journal's socket (systemd.exec(5)).
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || ::fstat(STDERR_FILENO, &status) != 0) return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

// One line stays one line: what came from outside cannot forge another.
void append_escaped(std::string& out, std::string_view text) {
    constexpr char digit[] = "0123456789abcdef";
    std::size_t from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto u = static_cast<unsigned char>(text[i]);
        if (u >= 0x20 && u != 0x7f) continue;
        out.append(text, from, i - from);
        from = i + 1;
        if (u == '\n') out += "\\n";
        else ((out += "\\x") += digit[u >> 4]) += digit[u & 15];
    }
    out.append(text, from);
}

void to_journal(Level level, std::string_view message, Fields fields) {
    std::vector<std::string> lines;
    lines.reserve(fields.size() + 2);
    lines.push_back("MESSAGE=" + std::string(message));
    lines.push_back("PRIORITY=" + std::to_string(static_cast<int>(level)));
    for (const Field& field : fields)
        if (!field.value.empty()) lines.push_back(std::string(field.key) + "=" + std::string(field.value));
    std::vector<iovec> parts;
    parts.reserve(lines.size());
    for (std::string& line : lines) parts.push_back({line.data(), line.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

void to_text(Level level, std::string_view message, Fields fields) {
    std::string line;
    line.reserve(message.size() + 192);
    for (const char c : name_of(level)) line += static_cast<char>(c - 32);
    line += ' ';
    append_escaped(line, message);
    for (const Field& field : fields) {
        if (field.value.empty()) continue;
        line += ' ';
        line += lower(field.key);
        line += '=';
        const bool quoted = field.value.find_first_of(" \"=") != std::string_view::npos;
        if (quoted) line += '"';
        append_escaped(line, field.value);
        if (quoted) line += '"';
    }
    line += '\n';
    // One write: lines of several threads do not mix. A full pipe loses the line rather than the service.
    [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, line.data(), line.size());
}
}  // namespace

void set_level(Level value) { least.store(static_cast<int>(value), std::memory_order_relaxed); }
Level level() { return static_cast<Level>(least.load(std::memory_order_relaxed)); }

Level parse_level(std::string_view name) {
    for (const Name& n : names)
        if (n.text == name) return n.level;
    throw Error(Errc::bad_request, "log level '" + std::string(name) + "' is not one of debug, info, notice, warning, error");
}

void write(Level value, std::string_view message, Fields fields) {
    if (static_cast<int>(value) > least.load(std::memory_order_relaxed)) return;
    static const bool journal = stderr_is_journal();
    if (journal) to_journal(value, message, fields);
    else to_text(value, message, fields);
}

}  // namespace pilvi::log
