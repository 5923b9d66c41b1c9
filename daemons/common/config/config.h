#pragma once
// Typed settings of a daemon: one constexpr table {key, kind, default, bounds, help}, TOML files over it.
// An unknown key or a wrong type is an error with file and line. Secrets are credentials (base/fd.h), never settings.
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi {

enum class SettingKind { text, integer, boolean, seconds /* TOML integer or float */, list /* array of strings */ };

struct Setting {
    std::string_view key;  // dotted: "listen.port"
    SettingKind kind;
    std::string_view fallback;  // as text; lists are comma separated
    std::string_view help;      // one sentence, for --print-defaults and docs/reference
    std::int64_t least = std::numeric_limits<std::int64_t>::min();
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

class Config {
public:
    // `tables` are the shared settings of the daemon skeleton and the daemon's own.
    explicit Config(std::vector<std::span<const Setting>> tables);
    // Overlays one TOML file; throws Error(bad_request, "FILE:LINE: ...").
    void load_file(const std::string& path);
    // Overlays every file of the standard places for `daemon` ("identity") that exists:
    // /usr/share/pilvi/config/D.toml, /etc/pilvi/D.toml, /etc/pilvi/D.d/*.toml in name order.
    void load_standard(std::string_view daemon);
    void set(std::string_view key, std::string_view value);  // as text, checked like a file's

    // The key must be in the tables with that kind (a programming error otherwise: Error(internal)).
    std::string text(std::string_view key) const;
    std::int64_t integer(std::string_view key) const;
    bool boolean(std::string_view key) const;
    std::chrono::milliseconds seconds(std::string_view key) const;
    std::vector<std::string> list(std::string_view key) const;

    // TOML text of all defaults with their help as comments.
    std::string defaults() const;

private:
    const Setting& setting(std::string_view key, SettingKind kind) const;
    const Setting* find(std::string_view key) const;
    std::vector<std::span<const Setting>> tables_;
    std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace pilvi
