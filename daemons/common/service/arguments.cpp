#include "service/arguments.h"

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace pilvi {

namespace {
bool is_flag(const Argument& argument) { return argument.value.empty() && argument.name.starts_with("--"); }
}  // namespace

const std::vector<std::string>* Arguments::find(std::string_view name) const {
    for (const auto& [given, values] : values_)
        if (given == name) return &values;
    return nullptr;
}

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
    const std::vector<std::string>* values = find(name);
    return values && !values->empty() ? values->front() : std::string(otherwise);
}

std::vector<std::string> Arguments::all(std::string_view name) const {
    const std::vector<std::string>* values = find(name);
    return values ? *values : std::vector<std::string>();
}

std::vector<std::string> Arguments::words() const {
    std::vector<std::string> out, places;
    for (const auto& [name, values] : values_) {
        if (values.empty()) out.push_back(name);
        for (const std::string& value : values) {
            if (name.starts_with("--")) out.push_back(name + "=" + value);
            else places.push_back(value);
        }
    }
    out.insert(out.end(), places.begin(), places.end());
    return out;
}

void declare(CLI::App& app, std::span<const Argument> table) {
    for (const Argument& argument : table) {
        const std::string name(argument.name), help(argument.help);
        CLI::Option* option = is_flag(argument) ? app.add_flag(name, help) : app.add_option(name, help);
        if (!argument.value.empty()) option->type_name(std::string(argument.value));
        option->required(argument.required)->allow_extra_args(false);
        if (argument.repeated) option->take_all();
    }
}

Arguments arguments_of(const CLI::App& app, std::span<const Argument> table) {
    Arguments out;
    for (const Argument& argument : table) {
        const std::string name(argument.name);
        const CLI::Option* option = app.get_option(name);
        if (option->count() == 0) continue;
        out.values_.emplace_back(name, is_flag(argument) ? std::vector<std::string>() : option->results());
    }
    return out;
}

Arguments parse_arguments(const Usage& usage, const std::vector<std::string>& words) {
    CLI::App app(std::string(usage.help), std::string(usage.name));
    app.set_help_flag();
    declare(app, usage.arguments);
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::ParseError& error) {
        throw Error(Errc::bad_request, std::string(usage.name) + ": " + error.what());
    }
    return arguments_of(app, usage.arguments);
}

}  // namespace pilvi
