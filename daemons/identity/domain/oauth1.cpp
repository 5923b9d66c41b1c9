#include "domain/oauth1.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/digest.h"

namespace pilvi::identity {

namespace {

constexpr std::size_t most_parameters = 100;
constexpr std::int64_t timestamp_life = 600;  // seconds, both ways

// Decodes one `name="value"`; nullopt where it is not that.
std::optional<std::pair<std::string, std::string>> read_item(std::string_view text) {
    text = trim(text);
    const std::size_t equals = text.find('=');
    if (equals == text.npos || equals == 0) return std::nullopt;
    std::string_view value = trim(text.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
    if (value.find('"') != value.npos) return std::nullopt;
    auto name = percent_decode(trim(text.substr(0, equals)));
    auto decoded = percent_decode(value);
    if (!name || !decoded) return std::nullopt;
    return std::pair(std::move(*name), std::move(*decoded));
}

std::string base_uri(const SignedRequest& request) {
    std::string host = lower(request.host);
    const std::string_view port = request.scheme == "https" ? ":443" : ":80";
    if (host.ends_with(port)) host.resize(host.size() - port.size());
    return std::string(request.scheme) + "://" + host + std::string(request.path.empty() ? "/" : request.path);
}

}  // namespace

std::string_view OAuthHeader::get(std::string_view name) const {
    for (const auto& [key, value] : items)
        if (key == name) return value;
    return {};
}

std::optional<OAuthHeader> parse_oauth_header(std::string_view value) noexcept {
    try {
        if (value.size() < 6 || !equals_ignoring_case(value.substr(0, 6), "oauth ")) return std::nullopt;
        OAuthHeader header;
        std::set<std::string> names;
        for (const std::string& part : split(value.substr(6), ',', false)) {
            auto item = read_item(part);
            if (!item || header.items.size() >= most_parameters || !names.insert(item->first).second) return std::nullopt;
            header.items.push_back(std::move(*item));
        }
        return header;
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

std::string oauth_base_string(const SignedRequest& request, const OAuthHeader& header) {
    std::vector<std::pair<std::string, std::string>> parameters;
    for (const auto& [name, value] : header.items)
        if (name != "realm" && name != "oauth_signature") parameters.emplace_back(percent_encode(name), percent_encode(value));
    for (const std::string& part : split(request.query, '&', false)) {
        const std::size_t equals = part.find('=');
        const auto name = percent_decode(std::string_view(part).substr(0, equals), true);
        const auto value = equals == part.npos ? std::optional<std::string>("") : percent_decode(std::string_view(part).substr(equals + 1), true);
        parameters.emplace_back(percent_encode(name.value_or("")), percent_encode(value.value_or("")));
    }
    std::sort(parameters.begin(), parameters.end());
    std::string joined;
    for (const auto& [name, value] : parameters) joined += (joined.empty() ? "" : "&") + name + "=" + value;
    std::string method(request.method);
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return method + "&" + percent_encode(base_uri(request)) + "&" + percent_encode(joined);
}

bool oauth_signature_holds(const SignedRequest& request, const OAuthHeader& header, std::string_view consumer_secret, std::string_view token_secret) {
    const std::string key = percent_encode(consumer_secret) + "&" + percent_encode(token_secret);
    const std::string_view method = header.get("oauth_signature_method"), given = header.get("oauth_signature");
    if (given.empty()) return false;
    if (method == "PLAINTEXT") return equals_constant_time(given, key);
    const std::string text = oauth_base_string(request, header);
    if (method == "HMAC-SHA1") return equals_constant_time(given, base64_encode(hmac(Digest::sha1, key, text)));
    if (method == "HMAC-SHA256") return equals_constant_time(given, base64_encode(hmac(Digest::sha256, key, text)));
    if (method == "HMAC-SHA512") return equals_constant_time(given, base64_encode(hmac(Digest::sha512, key, text)));
    return false;
}

std::string oauth_defect(const OAuthHeader& header, Micros now) {
    for (const char* name : {"oauth_consumer_key", "oauth_nonce", "oauth_timestamp", "oauth_signature_method", "oauth_signature"})
        if (header.get(name).empty()) return "Missing mandatory OAuth parameters.";
    if (const std::string_view version = header.get("oauth_version"); !version.empty() && version != "1.0") return "Invalid OAuth version.";
    const std::string_view method = header.get("oauth_signature_method");
    if (method != "PLAINTEXT" && method != "HMAC-SHA1" && method != "HMAC-SHA256" && method != "HMAC-SHA512")
        return "Invalid signature, " + std::string(method.substr(0, 30)) + " not allowed.";
    const std::string_view text = header.get("oauth_timestamp");
    if (text.size() != 10) return "Invalid timestamp size";
    const auto at = parse_integer(text);
    if (!at) return "Timestamp must be an integer.";
    const std::int64_t seconds = now / 1'000'000;
    if (*at < seconds - timestamp_life || *at > seconds + timestamp_life)
        return "Timestamp given is invalid, differ from allowed by over " + std::to_string(timestamp_life) + " seconds.";
    return {};
}

}  // namespace pilvi::identity
