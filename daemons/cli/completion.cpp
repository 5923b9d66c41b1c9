#include "completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace pilvi::cli {
namespace {

struct Word {
    std::string text, description;
    bool takes_value = false;
};
struct Command {
    std::string path;  // "", "identity", "identity mapping test"
    std::vector<Word> subcommands, options;
};

// One sentence in single quotes of a shell, without what ends them.
std::string quotable(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != '\'' && c != '\n') out += c;
    return out;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Command>& into) {
    Command command{.path = path, .subcommands = {}, .options = {}};
    for (const CLI::Option* option : app.get_options()) {
        const bool value = option->get_items_expected_min() > 0;
        for (const std::string& name : option->get_lnames()) command.options.push_back({"--" + name, quotable(option->get_description()), value});
        for (const std::string& name : option->get_snames()) command.options.push_back({"-" + name, quotable(option->get_description()), value});
    }
    const std::vector<const CLI::App*> children = app.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
    for (const CLI::App* child : children) command.subcommands.push_back({child->get_name(), quotable(child->get_description())});
    into.push_back(std::move(command));
    for (const CLI::App* child : children) collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), into);
}

std::string joined(const std::vector<Word>& words, bool (*wanted)(const Word&)) {
    std::string out;
    for (const Word& word : words)
        if (wanted(word)) out += (out.empty() ? "" : " ") + word.text;
    return out;
}
bool any(const Word&) { return true; }
bool with_value(const Word& word) { return word.takes_value; }

// The tables' subscripts are ":" and the words of the command; bash takes no empty one.
constexpr std::string_view bash_end = R"(
_NAME() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} at=: word index skip=''
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ -n $skip ]]; then skip=''; continue; fi
        if [[ $word == -* ]]; then
            [[ " ${_NAME_values[$at]-} " != *" $word "* ]] || skip=1
        elif [[ " ${_NAME_subcommands[$at]-} " == *" $word "* ]]; then
            [[ $at == : ]] && at=:$word || at+=" $word"
        fi
    done
    COMPREPLY=()
    if [[ " ${_NAME_values[$at]-} " == *" $previous "* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${_NAME_options[$at]-}" -- "$current")
    elif [[ -n ${_NAME_subcommands[$at]-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${_NAME_subcommands[$at]}" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _NAME NAME
)";

constexpr std::string_view zsh_end = R"(
_NAME() {
    local at=: word skip='' index
    for ((index = 2; index < CURRENT; index++)); do
        word=$words[index]
        if [[ -n $skip ]]; then skip=''; continue; fi
        if [[ $word == -* ]]; then
            [[ " ${_NAME_values[$at]} " != *" $word "* ]] || skip=1
        elif [[ -n ${(M)${(f)_NAME_subcommands[$at]}:#$word:*} ]]; then
            [[ $at == : ]] && at=:$word || at+=" $word"
        fi
    done
    local -a choices
    if [[ -n $skip ]]; then
        _files
    elif [[ $PREFIX == -* ]]; then
        choices=(${(f)_NAME_options[$at]})
        _describe -o option choices
    elif [[ -n ${_NAME_subcommands[$at]} ]]; then
        choices=(${(f)_NAME_subcommands[$at]})
        _describe command choices
    else
        _files
    fi
}
_NAME "$@"
)";

std::string with_name(std::string_view text, const std::string& name) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with("NAME")) {
            out += name;
            at += 4;
        } else {
            out += text[at++];
        }
    }
    return out;
}

std::string bash(const std::string& name, const std::vector<Command>& commands) {
    std::string out = fmt::format("# bash completion for {0}, written by `{0} completion bash`\n", name);
    const auto table = [&](std::string_view what, const std::vector<Word> Command::*words, bool (*wanted)(const Word&)) {
        out += fmt::format("declare -gA _{}_{}=(\n", name, what);
        for (const Command& command : commands)
            if (const std::string text = joined(command.*words, wanted); !text.empty()) out += fmt::format("    [':{}']='{}'\n", command.path, text);
        out += ")\n";
    };
    table("subcommands", &Command::subcommands, any);
    table("options", &Command::options, any);
    table("values", &Command::options, with_value);
    return out + with_name(bash_end, name);
}

// A line a word, "word:description", as _describe takes them.
std::string described(const std::vector<Word>& words) {
    std::string out;
    for (const Word& word : words) out += (out.empty() ? "" : "\n") + word.text + ":" + word.description;
    return out;
}

std::string zsh(const std::string& name, const std::vector<Command>& commands) {
    std::string out = fmt::format("#compdef {0}\n# zsh completion for {0}, written by `{0} completion zsh`\n", name);
    const auto table = [&](std::string_view what, const auto& text_of) {
        out += fmt::format("typeset -gA _{}_{}=(\n", name, what);
        for (const Command& command : commands)
            if (const std::string text = text_of(command); !text.empty()) out += fmt::format("    ':{}' '{}'\n", command.path, text);
        out += ")\n";
    };
    table("subcommands", [](const Command& command) { return described(command.subcommands); });
    table("options", [](const Command& command) { return described(command.options); });
    table("values", [](const Command& command) { return joined(command.options, with_value); });
    return out + with_name(zsh_end, name);
}

}  // namespace

std::string completion(const CLI::App& app, std::string_view shell) {
    std::vector<Command> commands;
    collect(app, "", commands);
    if (shell == "bash") return bash(app.get_name(), commands);
    if (shell == "zsh") return zsh(app.get_name(), commands);
    throw Error(Errc::bad_request, "there is no completion for " + std::string(shell) + ": bash or zsh");
}

}  // namespace pilvi::cli
