#include "domain/aws_signature.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/ids.h"
#include "base/text.h"
#include "domain/digest.h"

namespace pilvi::identity {

namespace {

using Parameters = std::map<std::string, std::string>;

// Texts, and numbers and booleans in the words that their sender's language has for them.
Parameters parameters_of(const json::object& credentials, std::string_view member) {
    Parameters out;
    for (const auto& item : object_or_empty(credentials, member)) {
        const json::value& v = item.value();
        out[std::string(item.key())] = v.is_string() ? str(v.get_string()) : v.is_bool() ? (v.get_bool() ? "True" : "False") : to_text(v);
    }
    return out;
}

std::string value_of(const Parameters& parameters, const std::string& name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
}

std::string canonical_query(const Parameters& parameters) {
    std::string out;
    for (const auto& [name, value] : parameters) out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
    return out;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return text;
}

std::string version_1(const Parameters& parameters, std::string_view secret) {
    std::vector<std::pair<std::string, std::string>> sorted;  // by the name in lower case
    for (const auto& [name, value] : parameters) sorted.emplace_back(lower(name), name + value);
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text;
    for (const auto& [name, both] : sorted) text += both;
    return base64_encode(hmac(Digest::sha1, secret, text));
}

struct Version4 {
    Parameters parameters, headers;  // headers: names in lower case
    std::string authorization;

    // Of the Authorization header, else of the X-Amz-* parameters.
    std::string member(const std::string& name) const {
        if (authorization.empty()) return value_of(parameters, "X-Amz-" + name);
        const std::size_t at = authorization.find(name + "=");
        if (at == authorization.npos) return {};
        const std::size_t begin = at + name.size() + 1;
        return authorization.substr(begin, authorization.find(',', begin) - begin);
    }
    std::string canonical_headers() const {
        std::vector<std::string> lines;
        for (const std::string& name : split(member("SignedHeaders"), ';'))
            if (const auto found = headers.find(name); found != headers.end()) lines.push_back(name + ":" + found->second);
        return join(lines, "\n") + "\n";
    }
};

std::string signing_key(std::string_view secret, const std::string& date, const std::string& region, const std::string& service) {
    std::string key = "AWS4" + std::string(secret);
    for (const std::string& step : {date, region, service, std::string("aws4_request")}) key = hmac(Digest::sha256, key, step);
    return key;
}

std::optional<std::string> version_4(const json::object& credentials, const Parameters& parameters, std::string_view secret) {
    Version4 v{.parameters = parameters, .headers = {}, .authorization = {}};
    std::string date;
    for (const auto& [name, value] : parameters_of(credentials, "headers")) {
        v.headers[lower(trim(name))] = std::string(trim(value));
        if (name == "Authorization") v.authorization = value;
        if (name == "X-Amz-Date") date = value;
    }
    if (date.empty()) date = value_of(parameters, "X-Amz-Date");
    if (!v.authorization.starts_with("AWS4-HMAC-SHA256") && value_of(parameters, "X-Amz-Algorithm") != "AWS4-HMAC-SHA256") return std::nullopt;
    const std::vector<std::string> scope = split(v.member("Credential"), '/');  // access key, date, region, service, "aws4_request"
    if (scope.size() < 4 || scope[1].empty() || !date.starts_with(scope[1])) return std::nullopt;
    const std::string verb = upper(string_or(credentials, "verb"));
    const std::string request = verb + "\n" + string_or(credentials, "path") + "\n" + (verb == "POST" ? "" : canonical_query(parameters)) + "\n" +
                                v.canonical_headers() + "\n" + v.member("SignedHeaders") + "\n" + string_or(credentials, "body_hash");
    const std::string text = "AWS4-HMAC-SHA256\n" + date + "\n" + join({scope.begin() + 1, scope.end()}, "/") + "\n" + sha256_hex(request);
    return hex(hmac(Digest::sha256, signing_key(secret, scope[1], scope[2], scope[3]), text));
}

}  // namespace

std::optional<std::string> ec2_signature(const json::object& credentials, std::string_view secret) noexcept {
    try {
        Parameters parameters = parameters_of(credentials, "params");
        const std::string version = value_of(parameters, "SignatureVersion");
        if (version == "0") return base64_encode(hmac(Digest::sha1, secret, value_of(parameters, "Action") + value_of(parameters, "Timestamp")));
        if (version == "1") return version_1(parameters, secret);
        if (version == "2") {
            parameters["SignatureMethod"] = "HmacSHA256";
            return base64_encode(hmac(Digest::sha256, secret,
                                      string_or(credentials, "verb") + "\n" + string_or(credentials, "host") + "\n" + string_or(credentials, "path") +
                                          "\n" + canonical_query(parameters)));
        }
        return version_4(credentials, parameters, secret);
    } catch (...) {
        return std::nullopt;  // out of memory
    }
}

bool ec2_signature_holds(const json::object& credentials, std::string_view secret) {
    const std::string given = string_or(credentials, "signature");
    const auto matches = [&](const json::object& what) {
        const auto right = ec2_signature(what, secret);
        return right && equals_constant_time(*right, given);
    };
    if (given.empty()) return false;
    if (matches(credentials)) return true;
    const std::string host = string_or(credentials, "host");
    const std::size_t colon = host.rfind(':');
    if (colon == host.npos || host.ends_with(']')) return false;
    json::object without_port = credentials;
    without_port["host"] = host.substr(0, colon);
    return matches(without_port);
}

bool s3_signature_holds(const json::object& credentials, std::string_view secret) {
    const auto text = base64url_decode(string_or(credentials, "token"));
    const std::string given = string_or(credentials, "signature");
    if (!text || given.empty()) return false;
    if (!text->starts_with("AWS4")) return equals_constant_time(base64_encode(hmac(Digest::sha1, secret, *text)), given);
    const std::vector<std::string> parts = split(*text, '\n');
    if (parts.size() != 4 || parts[0] != "AWS4-HMAC-SHA256") return false;
    const std::vector<std::string> scope = split(parts[2], '/');
    if (scope.size() != 4 || scope[3] != "aws4_request" || (scope[2] != "s3" && scope[2] != "iam" && scope[2] != "sts")) return false;
    return equals_constant_time(hex(hmac(Digest::sha256, signing_key(secret, scope[0], scope[1], scope[2]), *text)), given);
}

std::optional<Micros> aws_timestamp(const json::object& credentials) {
    const Parameters parameters = parameters_of(credentials, "params"), headers = parameters_of(credentials, "headers");
    std::string text = value_of(parameters, "Timestamp");
    if (text.empty()) text = value_of(headers, "X-Amz-Date");
    if (text.empty()) text = value_of(parameters, "X-Amz-Date");
    if (text.empty()) return std::nullopt;
    // 20261121T044258Z, too
    if (text.size() == 16 && text[8] == 'T')
        text = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 5) + ":" + text.substr(11, 2) + ":" + text.substr(13);
    auto at = parse_iso8601(text);
    if (!at) at = parse_iso8601(text + "Z");
    return at.value_or(0);
}

}  // namespace pilvi::identity
