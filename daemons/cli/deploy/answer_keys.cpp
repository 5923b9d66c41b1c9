#include "deploy/answer_keys.h"

#include <fmt/format.h>

#include "base/text.h"
#include "deploy/localconf_keys.h"

namespace pilvi::cli {
namespace {

// The value, or the one form of all that mean yes or no.
std::string plain(std::string_view value) {
    const std::optional<bool> yes = yes_or_no(value);
    return !yes ? lower(value) : *yes ? "y" : "n";
}

bool is_so(std::string_view as_it_is, std::string_view value) {
    for (const std::string& one : split(as_it_is, '|'))
        if (plain(one) == plain(value)) return true;
    return false;
}

// Of a table's cell: nothing that Markdown takes for its own.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|' || c == '*' || c == '<') out += '\\';
        out += c;
    }
    return out;
}

std::string row(const AnswerKey& key) {
    std::string what;
    switch (key.answered) {
        case Answered::used:
            what = key.answer.empty() ? cell(key.help) : fmt::format("`{}`", key.answer);
            break;
        case Answered::needless:
            what = fmt::format("note: {}", cell(key.help));
            break;
        case Answered::fixed:
            std::vector<std::string> values;
            for (const std::string& value : split(key.fallback, '|'))
                if (!value.empty()) values.push_back("`" + value + "`");
            what = fmt::format("{}: {}; another value is warned about", values.empty() ? "empty" : join(values, " or "), cell(key.help));
    }
    return fmt::format("| `{}` | {} |\n", key.name, what);
}

}  // namespace

std::optional<bool> yes_or_no(std::string_view value) {
    const std::string text = lower(value);
    if (text == "y" || text == "yes" || text == "true" || text == "1") return true;
    if (text == "n" || text == "no" || text == "false" || text == "0") return false;
    return std::nullopt;
}

std::optional<AnswerFinding> judge(const AnswerKey& key, std::string_view name, std::string_view value, int line) {
    const auto finding = [&](AnswerFinding::Level level, std::string text) { return AnswerFinding{level, line, std::string(name), std::move(text)}; };
    if (key.answered == Answered::needless) return finding(AnswerFinding::Level::note, fmt::format("needs nothing: {}", key.help));
    if (key.answered == Answered::used) return std::nullopt;
    // A generated file's word for "as the machine is".
    if (is_so(key.fallback, value) || value.empty()) return finding(AnswerFinding::Level::note, fmt::format("is so: {}", key.help));
    return finding(AnswerFinding::Level::warning, fmt::format("cannot be had: {}", key.help));
}

std::string answer_page() {
    std::string out = R"(# Answers

What `pilvi deploy --answer-file` makes of an answer file's keys, and of the variables of DevStack's `local.conf`. A `*` stands for anything; the first row that
matches counts. A key that is in neither table is warned about by its name, and nothing comes of it. This page is what `pilvi answers keys` prints.

## Answer files: ours, and PackStack's

)";
    out += "Ours alone:";
    for (const std::string_view name : own_answers) out += fmt::format(" `{}`", name);
    out += ".\n\n| key | what comes of it |\n| --- | --- |\n";
    for (const AnswerKey& key : answer_keys) out += row(key);
    out += "\n## Variables of local.conf\n\n| variable | what comes of it |\n| --- | --- |\n";
    for (const AnswerKey& key : localconf_keys) out += row(key);
    out += "\nServices of `ENABLED_SERVICES`, `enable_service` that are part of the roles, or need nothing; others are warned about:";
    for (const std::string_view name : devstack_services) out += fmt::format(" `{}`", name);
    return out + ".\n";
}

}  // namespace pilvi::cli
