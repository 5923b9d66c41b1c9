#include "api/versions.h"

#include "base/text.h"

namespace pilvi::api {
namespace {

// "2.53"; nullopt on anything else. Microversions have no leading zeros.
std::optional<Version> parse_version(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string_view a = text.substr(0, dot), b = text.substr(dot + 1);
    const auto major = parse_integer(a), minor = parse_integer(b);
    if (!major || !minor || *major < 1 || *minor < 0 || *major > 999 || *minor > 9999 || a.front() == '0' || (b.size() > 1 && b.front() == '0'))
        return std::nullopt;
    return Version{static_cast<int>(*major), static_cast<int>(*minor)};
}

// Two numbers, as placement reads them: 0.9 is a version that it does not have.
std::optional<Version> parse_pair(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto major = parse_integer(text.substr(0, dot)), minor = parse_integer(text.substr(dot + 1));
    if (!major || !minor || *major < 0 || *minor < 0 || *major > 999 || *minor > 9999) return std::nullopt;
    return Version{static_cast<int>(*major), static_cast<int>(*minor)};
}

// The part of "compute 2.53, placement 1.2" that is for us; the legacy header where there is none.
std::string asked_text(const ServiceStyle& style, const http::Headers& headers) {
    for (const auto& [name, value] : headers.items()) {
        if (!equals_ignoring_case(name, "OpenStack-API-Version")) continue;
        for (const std::string& part : split(value, ',')) {
            const std::string_view entry = trim(part);
            const std::size_t space = entry.find(' ');
            if (space != std::string_view::npos && equals_ignoring_case(entry.substr(0, space), style.service_type))
                return std::string(trim(entry.substr(space + 1)));
        }
    }
    return style.version_header.empty() ? std::string() : std::string(trim(headers.get(style.version_header)));
}

}  // namespace

Place place_of(const ServiceStyle& style, std::string_view path) {
    Place place{std::string(path), {}, false};
    if (style.base_path.empty()) return place;
    const auto below = [&](std::string_view base) { return !base.empty() && path.starts_with(base) && path.substr(base.size()).starts_with('/'); };
    place.legacy = below(style.legacy_path);
    if (!place.legacy && !below(style.base_path)) return place;
    std::string_view rest = path.substr(place.legacy ? style.legacy_path.size() : style.base_path.size());
    if (rest.find_first_not_of('/') == std::string_view::npos) return {std::string(path), {}, false};  // the version's own document
    const std::size_t end = rest.find('/', 1);
    const std::string_view first = rest.substr(1, end == std::string_view::npos ? end : end - 1);
    if (end != std::string_view::npos && !first.empty() && first.find_first_not_of("0123456789abcdef-") == std::string_view::npos) {
        place.project_id = std::string(first);
        rest.remove_prefix(end);
    }
    place.path = std::string(style.base_path) + std::string(rest);
    return place;
}

std::string version_text(Version version) { return std::to_string(version.major) + "." + std::to_string(version.minor); }

Version requested_version(const ServiceStyle& style, const http::Headers& headers) {
    if (!style.version_most) return {};
    const std::string text = asked_text(style, headers);
    if (text.empty()) return style.version_fallback;
    if (text == "latest") return style.version_most;
    const auto version = style.dialect == Dialect::placement ? parse_pair(text) : parse_version(text);
    if (!version && style.dialect == Dialect::placement) throw Error(Errc::bad_request, "invalid version string: " + text.substr(0, 50));
    if (!version)
        throw Error(Errc::bad_request, "API Version String " + text.substr(0, 50) + " is of invalid format. Must be of format MajorNum.MinorNum.");
    if (*version < style.version_least || *version > style.version_most) {
        if (style.dialect == Dialect::placement) throw Error(Errc::not_acceptable, "Unacceptable version header: " + text);
        throw Error(Errc::not_acceptable, "Version " + text + " is not supported by the API. Minimum is " + version_text(style.version_least) +
                                              " and maximum is " + version_text(style.version_most) + ".");
    }
    return *version;
}

void add_version_headers(const ServiceStyle& style, Version version, http::Headers& headers) {
    if (!style.version_most || !version) return;
    headers.set("OpenStack-API-Version", std::string(style.service_type) + " " + version_text(version));
    headers.add("Vary", style.dialect == Dialect::placement ? "openstack-api-version" : "OpenStack-API-Version");
    if (!style.version_header.empty()) {
        headers.set(style.version_header, version_text(version));
        headers.add("Vary", style.version_header);
    }
}

}  // namespace pilvi::api
