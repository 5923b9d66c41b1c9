#include <fmt/format.h>

#include "base/text.h"
#include "deploy/answer_keys.h"
#include "deploy/answers.h"

namespace pilvi::cli {
namespace {

constexpr std::size_t longest_line = 16384;
constexpr std::size_t most_lines = 20'000;

bool key_like(std::string_view name) {
    return !name.empty() && name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

void take(Answers& out, const std::string& key, const std::string& value, int line) {
    const auto find = [&](AnswerFinding::Level level, std::string text) { out.findings.push_back({level, line, key, std::move(text)}); };
    const AnswerKey* known = find_answer_key(key);
    if (!known) {
        if (!value.empty()) find(AnswerFinding::Level::warning, "is not known here: nothing comes of it");
        else find(AnswerFinding::Level::note, "is not known here, and empty");
        return;
    }
    if (auto finding = judge(*known, key, value, line)) {
        out.findings.push_back(std::move(*finding));
        return;
    }
    if (out.values.contains(key)) find(AnswerFinding::Level::warning, "is said twice: the last one counts");
    out.values[key] = value;
}

}  // namespace

bool Answers::usable() const {
    for (const AnswerFinding& finding : findings)
        if (finding.level == AnswerFinding::Level::error) return false;
    return true;
}

Answers read_packstack(std::string_view text) {
    Answers out;
    bool general = false;
    int number = 0;
    for (const std::string& raw : split(text, '\n')) {
        ++number;
        const auto fail = [&](std::string why) { out.findings.push_back({AnswerFinding::Level::error, number, "", std::move(why)}); };
        if (static_cast<std::size_t>(number) > most_lines) {
            fail("the file is too long");
            break;
        }
        const std::string_view line = trim(raw);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        if (line.size() > longest_line || !is_utf8(line)) {
            fail("the line is too long or not UTF-8");
            continue;
        }
        if (line.front() == '[') {
            if (line != "[general]" || general) fail("the one section of an answer file is [general]");
            general = true;
            continue;
        }
        const std::size_t equals = line.find_first_of("=:");
        const std::string key(trim(line.substr(0, equals)));
        if (!general) fail("stands before the section [general]");
        else if (equals == std::string_view::npos || !key_like(key)) fail("is not KEY=VALUE");
        else take(out, key, std::string(trim(line.substr(equals + 1))), number);
    }
    if (!general && out.usable()) out.findings.push_back({AnswerFinding::Level::error, 0, "", "there is no section [general]"});
    return out;
}

std::string write_answers(const std::map<std::string, std::string>& values) {
    std::string out = "[general]\n";
    for (const AnswerKey& key : answer_keys) {
        if (key.answered != Answered::used || key.help == "The same.") continue;
        const auto found = values.find(std::string(key.name));
        out += fmt::format("\n# {}\n{}={}\n", key.help, key.name, found == values.end() ? std::string(key.fallback) : found->second);
    }
    return out;
}

Answers read_answers(std::string_view text) {
    for (const std::string& raw : split(text, '\n')) {
        const std::string_view line = trim(raw);
        if (line.starts_with("[[")) return read_localconf(text);
        if (line.starts_with("[")) return read_packstack(text);
    }
    return read_packstack(text);
}

}  // namespace pilvi::cli
