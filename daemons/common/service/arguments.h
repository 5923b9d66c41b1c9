#pragma once
// The command line of a subcommand, declared once: it is parsed, explained by --help and the manual page, and completed by shells from the same table.
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace pilvi {

struct Argument {
    std::string_view name;   // "--user"; without dashes ("OPERATION") it is told by its place
    std::string_view value;  // what an option's value is, for the help: "ID"; "" for a flag, and for what is told by its place
    std::string_view help;
    bool required = false, repeated = false;
};

struct Usage {
    std::string_view name, help;
    std::span<const Argument> arguments = {};
};

// Whether everything in the table says what it is; tables are held to it by static_assert.
constexpr bool documented(const Usage& usage) {
    for (const Argument& argument : usage.arguments)
        if (argument.name.empty() || argument.help.empty()) return false;
    return !usage.name.empty() && !usage.help.empty();
}

// What was given, by Argument::name.
class Arguments {
public:
    bool given(std::string_view name) const { return find(name) != nullptr; }
    std::string text(std::string_view name, std::string_view otherwise = {}) const;
    std::vector<std::string> all(std::string_view name) const;
    std::vector<std::string> words() const;  // as a command line again

private:
    friend Arguments arguments_of(const CLI::App& app, std::span<const Argument> table);
    const std::vector<std::string>* find(std::string_view name) const;
    std::vector<std::pair<std::string, std::vector<std::string>>> values_;  // in the order of the table; of a flag none
};

// Adds the table to a command; after it was parsed, what was given.
void declare(CLI::App& app, std::span<const Argument> table);
Arguments arguments_of(const CLI::App& app, std::span<const Argument> table);

// Parses the words that follow a subcommand. Throws Error(bad_request).
Arguments parse_arguments(const Usage& usage, const std::vector<std::string>& words);

}  // namespace pilvi
