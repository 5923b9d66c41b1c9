#include "support/cases.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "log/log.h"

namespace pilvi::testing {

namespace {

// Whether `actual` is what the text `kind` ("<uuid>") stands for; nullopt where `kind` has no meaning of its own.
std::optional<bool> placeholder(std::string_view kind, const json::value& actual) {
    const auto text = [&]() -> std::string { return actual.is_string() ? str(actual.as_string()) : std::string(); };
    if (kind == "<any>") return !actual.is_null();
    if (kind == "<uuid>") return actual.is_string() && text().size() == 36 && is_uuid_like(text());
    if (kind == "<hex>") return actual.is_string() && text().size() == 32 && is_uuid_like(text());
    if (kind == "<text>") return actual.is_string();
    if (kind == "<number>") return actual.is_number();
    if (kind == "<time>") return actual.is_string() && (parse_iso8601(text()) || parse_iso8601(text() + "Z"));
    if (kind == "<bool>") return actual.is_bool();
    if (kind == "<object>") return actual.is_object();
    if (kind == "<array>") return actual.is_array();
    if (kind.starts_with("<matches:") && kind.ends_with(">"))
        return actual.is_string() && std::regex_search(text(), std::regex(std::string(kind.substr(9, kind.size() - 10))));
    return std::nullopt;
}

std::optional<std::string> mismatch_array(const json::array& expected, const json::array& actual, const std::string& where) {
    if (expected.size() != actual.size()) return fmt::format("{}: {} items instead of {}", where, actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (auto m = mismatch(expected[i], actual[i], fmt::format("{}[{}]", where, i))) return m;
    return std::nullopt;
}

std::optional<std::string> mismatch_contains(const json::value& wanted, const json::value& actual, const std::string& where) {
    if (!actual.is_array()) return where + ": not an array";
    for (const json::value& w : wanted.as_array()) {
        const auto& items = actual.as_array();
        if (std::none_of(items.begin(), items.end(), [&](const json::value& v) { return !mismatch(w, v, where); }))
            return fmt::format("{}: no item like {}", where, to_text(w));
    }
    return std::nullopt;
}

const json::value* step(const json::value& value, std::string_view path) {
    const json::value* at = &value;
    for (const std::string& part : split(path, '.')) {
        if (at->is_array()) {
            const auto index = parse_integer(part);
            if (!index || *index < 0 || std::size_t(*index) >= at->as_array().size()) return nullptr;
            at = &at->as_array()[std::size_t(*index)];
        } else if (at->is_object()) {
            at = find(at->as_object(), part);
            if (!at) return nullptr;
        } else {
            return nullptr;
        }
    }
    return at;
}

Context caller(const std::string& project, std::vector<std::string> roles) {
    Context c;
    c.user_id = new_hex_id();
    c.user_name = project + "-user";
    c.user_domain_id = c.project_domain_id = "default";
    c.user_domain_name = c.project_domain_name = "Default";
    c.project_id = new_hex_id();
    c.project_name = project;
    c.roles = std::move(roles);
    c.is_admin = c.has_role("admin");
    c.expires_at = now_micros() + 3'600'000'000;
    return c;
}

}  // namespace

std::optional<std::string> mismatch(const json::value& expected, const json::value& actual, const std::string& where) {
    if (expected.is_string()) {
        if (const auto holds = placeholder(std::string_view(expected.as_string()), actual)) {
            if (*holds) return std::nullopt;
            return fmt::format("{}: {} is not {}", where, to_text(actual), std::string_view(expected.as_string()));
        }
    }
    if (expected.is_object()) {
        if (const json::value* items = find(expected.as_object(), "<contains>")) return mismatch_contains(*items, actual, where);
        if (!actual.is_object()) return fmt::format("{}: {} is not an object", where, to_text(actual));
        for (const auto& [key, value] : expected.as_object()) {
            const json::value* got = find(actual.as_object(), std::string_view(key));
            const std::string at = where + "." + std::string(std::string_view(key));
            if (value.is_string() && value.as_string() == "<absent>") {
                if (got) return at + ": should not be there";
                continue;
            }
            if (!got) return at + ": missing";
            if (auto m = mismatch(value, *got, at)) return m;
        }
        return std::nullopt;
    }
    if (expected.is_array()) {
        if (!actual.is_array()) return fmt::format("{}: {} is not an array", where, to_text(actual));
        return mismatch_array(expected.as_array(), actual.as_array(), where);
    }
    if (expected == actual) return std::nullopt;
    if (expected.is_number() && actual.is_number() && expected.to_number<double>() == actual.to_number<double>()) return std::nullopt;
    return fmt::format("{}: {} instead of {}", where, to_text(actual), to_text(expected));
}

std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& vars) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t start = text.find("${", at);
        const std::size_t end = start == text.npos ? text.npos : text.find('}', start);
        if (end == text.npos) break;
        out += text.substr(at, start - at);
        const std::string_view name = text.substr(start + 2, end - start - 2);
        const auto found = vars.find(name);
        if (found == vars.end()) FAIL_CHECK("no value for ${" << std::string(name) << "}");
        else out += found->second;
        at = end + 1;
    }
    return out += text.substr(at);
}

Cases::Cases(http::Handler& handler) : handler_(handler) { log::set_level(log::Level::warning); }

http::Response Cases::run(const Case& c) {
    const auto fill = [this](std::string_view t) { return substitute(t, vars); };
    http::Request request;
    request.method = std::string(c.method);
    request.target = fill(c.path);
    const std::size_t mark = request.target.find('?');
    request.path = request.target.substr(0, mark);
    if (mark != request.target.npos) request.query = request.target.substr(mark + 1);
    request.headers = headers;
    request.headers.set("Host", "api.example");
    if (!c.token.empty()) request.headers.set("X-Auth-Token", fill(c.token));
    request.body = fill(c.body);
    if (!c.body.empty()) request.headers.set("Content-Type", "application/json");
    for (const auto& [name, value] : c.headers) request.headers.set(name, fill(value));
    request.peer = "127.0.0.1";
    const http::BodyPolicy policy = handler_.body_policy({request.method, request.path, request.headers});
    const http::Response response = request.body.size() > policy.limit ? handler_.refuse(413, "body too large") : handler_.handle(request);

    INFO(c.name, " ", request.method, " ", request.target, " as ", c.token, "\n  sent: ", request.body, "\n  got:  ", response.body);
    CHECK(response.status == c.status);
    if (c.empty) CHECK(response.body.empty());
    if (!c.text.empty()) CHECK(response.body.find(fill(c.text)) != response.body.npos);
    for (const auto& [name, value] : c.answer_headers) {
        const auto m = value == "<absent>" ? (response.headers.has(name) ? std::optional<std::string>("should not be there") : std::nullopt)
                                           : mismatch(json::value(fill(value)), json::value(response.headers.get(name)), name);
        CHECK_MESSAGE(!m, m.value_or(""));
    }
    if (c.expect.empty() && c.save.empty()) return response;
    json::value body;
    if (!response.body.empty()) {
        try {
            body = parse_json(response.body);
        } catch (const pilvi::Error& e) {
            FAIL_CHECK("the answer is no JSON: " << e.message());
        }
    }
    if (!c.expect.empty()) {
        const auto m = mismatch(parse_json(fill(c.expect)), body);
        CHECK_MESSAGE(!m, m.value_or(""));
    }
    for (const auto& [name, path] : c.save) {
        if (path.starts_with("header:")) {
            vars[name] = std::string(response.headers.get(path.substr(7)));
            continue;
        }
        const json::value* value = step(body, path);
        if (!value) FAIL_CHECK("nothing to save at " << path);
        else vars[name] = value->is_string() ? str(value->as_string()) : to_text(*value);
    }
    return response;
}

void Cases::run(std::span<const Case> cases) {
    for (const Case& c : cases) run(c);
}

void Cases::matrix(std::span<const Row> rows) {
    for (const Row& row : rows)
        for (const std::string& entry : split(row.answers, ' ', false)) {
            const std::size_t colon = entry.find(':');
            REQUIRE(colon != entry.npos);
            const std::string who = entry.substr(0, colon);
            const auto variable = vars.find(who + "_token");
            const std::string token = who == "none" ? "" : variable != vars.end() ? variable->second : who;
            run({.name = who,
                 .method = row.method,
                 .path = std::string(row.path),
                 .token = token,
                 .body = row.body,
                 .status = int(parse_integer(entry.substr(colon + 1)).value_or(0))});
        }
}

Callers::Callers() {
    add("admin", caller("admin", {"admin", "manager", "member", "reader"}));
    add("member", caller("demo", {"member", "reader"}));
    for (const auto& [name, roles] :
         std::map<std::string, std::vector<std::string>>{{"reader", {"reader"}}, {"manager", {"manager", "member", "reader"}}}) {
        Context c = of("member");
        c.user_id = new_hex_id();
        c.user_name = name;
        c.roles = roles;
        add(name, c);
    }
    add("other", caller("other", {"member", "reader"}));
    add("service", caller("service", {"admin", "service"}));
    Context system = caller("", {"admin", "member", "reader"});
    system.project_id = system.project_domain_id = system.project_domain_name = "";
    system.system = true;
    add("system", system);
}

void Callers::export_to(Cases& cases) const {
    for (const auto& [name, context] : contexts_) {
        cases.vars[name + "_project"] = context.project_id;
        cases.vars[name + "_user"] = context.user_id;
    }
}

std::optional<Context> Callers::authenticate(std::string_view token, bool) {
    const auto found = contexts_.find(token);
    if (found == contexts_.end()) return std::nullopt;
    return found->second;
}

}  // namespace pilvi::testing
