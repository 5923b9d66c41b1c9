#include "base/time.h"

#include <chrono>
#include <ctime>

namespace pilvi {
namespace {
constexpr Micros second = 1'000'000;

// "2026-01-31T12:00:00"; `fraction`: with ".000000". By hand, since lists show two times a row: strftime is ten times slower.
std::string format(Micros at, bool fraction) {
    Micros micros = at % second;
    std::time_t whole = at / second;
    if (micros < 0) {
        micros += second;
        --whole;
    }
    std::tm parts{};
    gmtime_r(&whole, &parts);
    std::string out;
    out.reserve(28);
    const auto put = [&out](Micros value, int width, char after) {
        char text[20];
        for (int i = width; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
        out.append(text, static_cast<std::size_t>(width));
        if (after) out += after;
    };
    put(parts.tm_year + 1900, 4, '-');
    put(parts.tm_mon + 1, 2, '-');
    put(parts.tm_mday, 2, 'T');
    put(parts.tm_hour, 2, ':');
    put(parts.tm_min, 2, ':');
    put(parts.tm_sec, 2, fraction ? '.' : '\0');
    if (fraction) put(micros, 6, '\0');
    return out;
}

// Reads exactly `count` digits; advances `text`. -1 where they are not there.
int digits(std::string_view& text, std::size_t count) noexcept {
    if (text.size() < count) return -1;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool eat(std::string_view& text, char c) noexcept {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}
}  // namespace

Micros now_micros() { return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string iso8601(Micros at) { return format(at, false) += 'Z'; }
std::string iso8601_naive(Micros at) { return format(at, true); }
std::string iso8601_micros(Micros at) { return format(at, true) += 'Z'; }

std::optional<Micros> parse_iso8601(std::string_view text) noexcept {
    std::tm parts{};
    const int year = digits(text, 4);
    if (year < 0 || !eat(text, '-')) return std::nullopt;
    const int month = digits(text, 2);
    if (month < 1 || month > 12 || !eat(text, '-')) return std::nullopt;
    const int day = digits(text, 2);
    if (day < 1 || day > 31) return std::nullopt;
    int hour = 0, minute = 0, sec = 0;
    Micros micros = 0;
    Micros offset = 0;
    if (!text.empty()) {
        if (!eat(text, 'T') && !eat(text, ' ')) return std::nullopt;
        hour = digits(text, 2);
        if (hour < 0 || hour > 23 || !eat(text, ':')) return std::nullopt;
        minute = digits(text, 2);
        if (minute < 0 || minute > 59) return std::nullopt;
        if (eat(text, ':')) {
            sec = digits(text, 2);
            if (sec < 0 || sec > 60) return std::nullopt;
            if (eat(text, '.')) {
                Micros scale = 100'000;
                bool any = false;
                while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
                    micros += (text.front() - '0') * scale;
                    scale /= 10;
                    text.remove_prefix(1);
                    any = true;
                }
                if (!any) return std::nullopt;
            }
        }
        if (!text.empty() && !eat(text, 'Z')) {
            const std::int64_t sign = text.front() == '-' ? -1 : text.front() == '+' ? 1 : 0;
            if (sign == 0) return std::nullopt;
            text.remove_prefix(1);
            const int oh = digits(text, 2);
            (void)eat(text, ':');
            const int om = text.empty() ? 0 : digits(text, 2);
            if (oh < 0 || oh > 14 || om < 0 || om > 59) return std::nullopt;
            offset = sign * (oh * 3600 + om * 60) * second;
        }
        if (!text.empty()) return std::nullopt;
    }
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    parts.tm_mday = day;
    parts.tm_hour = hour;
    parts.tm_min = minute;
    parts.tm_sec = sec;
    const std::tm asked = parts;
    const std::time_t whole = timegm(&parts);
    if (parts.tm_mday != asked.tm_mday) return std::nullopt;
    return static_cast<Micros>(whole) * second + micros - offset;
}

}  // namespace pilvi
