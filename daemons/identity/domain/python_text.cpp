#include "domain/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace pilvi::identity {

namespace {

std::string quoted(std::string_view text) {
    const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
    std::string out(1, quote);
    for (const char c : text) {
        if (c == quote || c == '\\') out += {'\\', c};
        else if (c == '\n') out += "\\n";
        else if (c == '\r') out += "\\r";
        else if (c == '\t') out += "\\t";
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        else out += c;
    }
    return out + quote;
}

std::string utf8(char32_t c) {
    std::string out;
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    constexpr unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(heads[more] | (c >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
    return out;
}

class ListReader {
public:
    explicit ListReader(std::string_view in) : in_(trim(in)) {}

    std::optional<std::vector<std::string>> read() {
        if (!eat('[')) return std::nullopt;
        std::vector<std::string> out;
        for (skip_space(); !eat(']'); skip_space()) {
            auto item = in_.starts_with('\'') || in_.starts_with('"') ? text() : number();
            if (!item) return std::nullopt;
            out.push_back(std::move(*item));
            skip_space();
            if (!eat(',') && !in_.starts_with(']')) return std::nullopt;
        }
        return in_.empty() ? std::optional(std::move(out)) : std::nullopt;
    }

private:
    bool eat(char c) {
        if (!in_.starts_with(c)) return false;
        in_.remove_prefix(1);
        return true;
    }
    void skip_space() {
        while (!in_.empty() && (in_.front() == ' ' || in_.front() == '\t' || in_.front() == '\n')) in_.remove_prefix(1);
    }
    std::optional<std::string> number() {  // -12, 1.5
        std::string out;
        if (eat('-')) out += '-';
        const std::size_t digits = std::min(in_.find_first_not_of("0123456789."), in_.size());
        const std::string_view number = in_.substr(0, digits);
        if (number.empty() || number.front() == '.' || std::count(number.begin(), number.end(), '.') > 1) return std::nullopt;
        in_.remove_prefix(digits);
        return out + std::string(number);
    }
    std::optional<std::string> text() {
        const char quote = in_.front();
        in_.remove_prefix(1);
        std::string out;
        while (!eat(quote)) {
            if (in_.empty() || in_.front() == '\n') return std::nullopt;
            const char c = in_.front();
            in_.remove_prefix(1);
            if (c != '\\') out += c;
            else if (!escape(out)) return std::nullopt;
        }
        return out;
    }
    bool escape(std::string& out) {
        if (in_.empty()) return false;
        const char c = in_.front();
        in_.remove_prefix(1);
        constexpr std::string_view names = "ntr\\'\"", values = "\n\t\r\\'\"";
        if (const auto at = names.find(c); at != std::string_view::npos) {
            out += values[at];
            return true;
        }
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits == 0) {  // not an escape: both characters stand
            out += {'\\', c};
            return true;
        }
        if (in_.size() < digits) return false;
        char32_t code = 0;
        for (const char d : in_.substr(0, digits)) {
            if (!std::isxdigit(static_cast<unsigned char>(d))) return false;
            code = code * 16 + static_cast<char32_t>(d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
        }
        in_.remove_prefix(digits);
        if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
        out += utf8(code);
        return true;
    }
    std::string_view in_;
};

}  // namespace

std::string python_repr(const std::vector<std::string>& list) {
    std::string out = "[";
    for (const std::string& item : list) out += (out.size() > 1 ? ", " : "") + quoted(item);
    return out + "]";
}

std::string python_repr(const json::value& value) {
    std::string out;
    switch (value.kind()) {
        case json::kind::null:
            return "None";
        case json::kind::bool_:
            return value.get_bool() ? "True" : "False";
        case json::kind::string:
            return quoted(str(value.get_string()));
        case json::kind::array:
            for (const json::value& item : value.get_array()) out += (out.empty() ? "" : ", ") + python_repr(item);
            return "[" + out + "]";
        case json::kind::object:
            for (const auto& member : value.get_object())
                out += (out.empty() ? "" : ", ") + quoted(std::string_view(member.key())) + ": " + python_repr(member.value());
            return "{" + out + "}";
        default:
            return to_text(value);
    }
}

std::optional<std::vector<std::string>> parse_python_list(std::string_view text) { return ListReader(text).read(); }

}  // namespace pilvi::identity
