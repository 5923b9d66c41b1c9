#include "support/bad_input.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "api/router.h"
#include "api/versions.h"
#include "base/text.h"
#include "log/log.h"
#include "support/body_bytes.h"

namespace pilvi::testing {
namespace {
using api::Field;
using api::Type;

struct BadInputReport {
    std::size_t operations = 0, requests = 0, accepted = 0;
    std::vector<std::string> failures;  // one a line: operation, input, answer
};

// What stands in a body where a bad value goes. It is text, since not all of them are values.
constexpr std::string_view mark = R"("@@bad@@")";

struct Bad {
    std::string text;  // JSON, or nearly
    json::value value = nullptr;
    bool is_json = true;  // otherwise the whole body is none
};

const std::vector<Bad>& bad_values() {
    static const std::vector<Bad> all = [] {
        std::vector<Bad> out;
        for (const char* text : {"null",
                                 "true",
                                 "12345",
                                 "-1",
                                 "1.5",
                                 "9223372036854775807",
                                 "18446744073709551615",
                                 "1e300",
                                 R"("")",
                                 R"("☃ 'x\" <b> %s ${x} \\")",
                                 R"("nul \u0000 nul")",
                                 R"("../../etc/passwd")",
                                 R"("line\r\nline")",
                                 "[]",
                                 "{}",
                                 "[null]",
                                 "[[]]",
                                 R"({"x": {}})",
                                 R"({"": null})",
                                 R"(["☃", "☃"])",
                                 R"(["nul \u0000 nul"])"})
            out.push_back({text, parse_json(text)});
        for (const std::size_t length : {300u, 70'000u}) {
            const std::string text = '"' + std::string(length, 'a') + '"';
            out.push_back({text, parse_json(text)});
        }
        for (const char* text : {"1e400", "99999999999999999999999999", R"({"a": 1, "a": []})"}) out.push_back({text, nullptr});
        for (const char* text : {"nul", "\"\xff\xfe\"", R"("\ud800")", "\"\x01\"", "NaN", "[1,]"}) out.push_back({text, nullptr, false});
        return out;
    }();
    return all;
}

// A value that suits a field, as far as its table tells.
json::value good_value(const Field& field);

json::object good_object(std::span<const Field> fields) {
    json::object out;
    for (const Field& f : fields)
        if (f.use & api::required) out[f.name] = good_value(f);
    return out;
}

json::value good_value(const Field& field) {
    const bool bounded = field.least != std::numeric_limits<std::int64_t>::min();
    if (!field.values.empty() && field.type == Type::text) return json::value(field.values.front());
    switch (field.type) {
        case Type::text:
            return json::value(std::string(static_cast<std::size_t>(bounded ? std::max<std::int64_t>(field.least, 1) : 1), 'x'));
        case Type::uuid:
            return "00000000-0000-4000-8000-00000000dead";
        case Type::integer:
        case Type::number:
            return bounded ? std::max<std::int64_t>(field.least, 1) : 1;
        case Type::boolean:
            return true;
        case Type::ip:
            return "192.0.2.1";
        case Type::cidr:
            return "192.0.2.0/24";
        case Type::mac:
            return "fa:16:3e:00:00:01";
        case Type::datetime:
            return "2031-01-01T00:00:00Z";
        case Type::url:
            return "http://api.example/";
        case Type::object:
            return good_object(field.fields);
        case Type::array:
            return json::array{};
        case Type::any:
            return "x";
    }
    return nullptr;
}

// Whether a field's type alone forbids the value.
bool forbidden(const api::ServiceStyle& style, const Field& field, const Bad& bad) {
    if (!bad.is_json) return true;
    if (bad.value.is_null() && bad.text != "null") return false;  // what it becomes is the parser's choice
    const json::value& v = bad.value;
    if (field.convert || field.type == Type::any) return false;
    if (v.is_null()) return !(field.use & api::nullable);
    switch (field.type) {
        case Type::text: {
            if (!v.is_string()) return true;
            const auto most = field.most == std::numeric_limits<std::int64_t>::max() ? 255 : field.most;
            return static_cast<std::int64_t>(utf8_length(v.get_string())) > most || v.get_string().find('\0') != json::string::npos ||
                   (!field.values.empty() &&
                    std::find(field.values.begin(), field.values.end(), std::string_view(v.get_string())) == field.values.end());
        }
        case Type::integer:
            return !(v.is_int64() && v.get_int64() >= field.least && v.get_int64() <= field.most);
        case Type::number:
            return !v.is_number();
        case Type::boolean:
            return !v.is_bool() && !style.coerce;
        case Type::object:
            return !v.is_object();
        case Type::array:
            return !v.is_array();
        default:
            return true;  // none of the texts is an address, a time or a URL
    }
}

struct Input {
    std::string label;
    http::Request request;
    std::set<int> must = {};  // the statuses that it may have; empty: anything but a server's error
};

bool is_envelope(api::Dialect dialect, const http::Response& response) {
    if (dialect == api::Dialect::image)
        return response.headers.get("Content-Type").starts_with("text/html") &&
               response.body.find("<title>" + std::to_string(response.status) + " ") != std::string::npos;
    const json::value body = parse_json(response.body);
    if (dialect == api::Dialect::placement && response.status != 401) {
        const auto& entry = body.at("errors").at(0);
        return entry.at("status") == response.status && entry.at("title").is_string() && entry.at("detail").is_string();
    }
    if (dialect == api::Dialect::network && response.status != 401) {
        const auto& entry = body.at("NeutronError");
        return entry.at("type").is_string() && entry.at("message").is_string() && entry.at("detail").is_string();
    }
    if (dialect == api::Dialect::compute && response.status != 401) {
        const auto& entry = body.as_object().begin()->value();
        return entry.at("code") == response.status && entry.at("message").is_string();
    }
    const auto& error = body.at("error");
    return error.at("code") == response.status && error.at("message").is_string() && error.at("title").is_string();
}

// Everything that the database holds but `unstable` tables.
std::string contents(Store& store, const std::set<std::string>& unstable) {
    return store.read([&](Tx& tx) {
        std::string out;
        const std::vector<Row> tables =
            tx.query(store.is_postgresql() ? "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
                                           : "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1");
        for (const Row& table : tables) {
            const std::string name = table.at(0).text();
            if (unstable.contains(name) || name.starts_with("sqlite_")) continue;
            std::vector<std::string> lines;
            for (const Row& row : tx.query("SELECT * FROM " + name)) {
                std::string& line = lines.emplace_back();
                for (std::size_t i = 0; i < row.size(); ++i) line += row.at(i).text() + '\x1f';
            }
            std::sort(lines.begin(), lines.end());
            out += name + ":" + join(lines, "\n") + "\n";
        }
        return out;
    });
}

class Sender {
public:
    explicit Sender(const BadInputPlan& plan) : plan_(plan), subject_(plan.fresh()) { note(); }

    void operation(const api::Route& route, const api::Resource* resource, const api::Operation* operation) {
        ++report.operations;
        name_ = std::string(route.method) + " " + std::string(route.path);
        access(route);
        paths(route);
        queries(route, resource, operation);
        if (route.stream) bytes(route);
        const bool has_body = route.json_body || route.any_body || !route.wrapper.empty() || !route.body.empty() || !route.actions.empty();
        if (!has_body) return;
        broken_bodies(route);
        if (const auto sample = plan_.bodies.find(name_); sample != plan_.bodies.end()) from_sample(route, sample->second);
        if (resource) {
            const unsigned use = operation->verb == api::Verb::create ? api::create : api::update;
            const bool wrapped = subject_->service().style().wrapped;
            fields(route, resource->fields, wrapped ? resource->name : "", use, resource->strict);
        } else if (!route.actions.empty()) {
            for (const api::Action& action : route.actions)
                if (!action.any_value) fields(route, action.fields, action.key, 0, true);
        } else if (!route.body.empty()) {
            fields(route, route.body, route.wrapper, 0, false);
        }
    }
    BadInputReport report;

private:
    api::ServiceStyle style() { return subject_->service().style(); }

    // The path with its parameters; `name` has the raw value `value`.
    std::string path(const api::Route& route, std::string_view name = {}, std::string_view value = {}) {
        std::string out;
        std::string_view rest = route.path;
        while (!rest.empty()) {
            const std::size_t open = rest.find('{');
            out += rest.substr(0, open);
            if (open == rest.npos) break;
            const std::size_t close = rest.find('}', open);
            const std::string_view parameter = rest.substr(open + 1, close - open - 1);
            const std::size_t end = static_cast<std::size_t>(rest.data() - route.path.data()) + close + 1;
            if (!name.empty() && parameter == name) out += value;
            else out += known(std::string(route.path.substr(0, end)), "{" + std::string(parameter) + "}");
            rest.remove_prefix(close + 1);
        }
        return out;
    }
    std::string known(const std::string& whole, const std::string& parameter) {
        for (const std::string& key : {whole, parameter})
            if (const auto found = subject_->parameters.find(key); found != subject_->parameters.end()) return percent_encode(found->second);
        return "00000000000040008000000000000000";
    }

    Input input(const api::Route& route, std::string label, std::string target) {
        Input out{.label = std::move(label)};
        out.request.method = std::string(route.method);
        out.request.target = std::move(target);
        out.request.headers = subject_->headers;
        out.request.headers.set("Host", "api.example");
        if (route.until)  // an operation of older clients
            out.request.headers.set("OpenStack-API-Version", std::string(style().service_type) + " " + api::version_text(route.until));
        if (route.access == api::Access::token) out.request.headers.set("X-Auth-Token", subject_->token());
        return out;
    }
    Input with_body(const api::Route& route, std::string label, std::string body, std::set<int> must = {}) {
        Input out = input(route, std::move(label), path(route));
        out.request.body = std::move(body);
        const auto type = plan_.content_types.find(name_);
        out.request.headers.set("Content-Type", type == plan_.content_types.end() ? "application/json" : type->second);
        out.must = std::move(must);
        return out;
    }

    void access(const api::Route& route) {
        if (route.access == api::Access::open) return;
        for (const std::string& token : {std::string(), std::string("foreign"), std::string(5000, 'x'), std::string("\xff\xfe")}) {
            Input out = input(route, "token '" + token.substr(0, 20) + "'", path(route));
            if (token.empty()) out.request.headers.remove("X-Auth-Token");
            else out.request.headers.set("X-Auth-Token", token);
            out.must = {401};
            send(std::move(out));
        }
        Input twice = input(route, "two tokens", path(route));
        twice.request.headers.add("X-Auth-Token", subject_->token());
        twice.must = {401};
        send(std::move(twice));
    }

    void paths(const api::Route& route) {
        const std::string a300(300, 'a'), a70000(70'000, 'a');
        for (std::size_t at = route.path.find('{'); at != std::string_view::npos; at = route.path.find('{', at + 1)) {
            const std::string_view name = route.path.substr(at + 1, route.path.find('}', at) - at - 1);
            for (const std::string& value : {std::string("%00"), std::string("x%00y"), std::string("%ff%fe"), std::string("%F0%9F%98%80"),
                                             std::string("%zz"), std::string("%"), std::string("'%20OR%201=1--"), std::string("..%2f..%2fetc"),
                                             std::string("-1"), std::string("%0d%0aX-Evil:1"), std::string("99999999999999999999"), a300, a70000})
                send(with_junk(route, "path {" + std::string(name) + "} = " + value.substr(0, 20), path(route, name, value)));
        }
    }
    // A request with an empty object where a body is due, so that what stands in the URL is what is looked at.
    Input with_junk(const api::Route& route, std::string label, std::string target) {
        Input out = input(route, std::move(label), std::move(target));
        const bool has_body = route.json_body || route.any_body || !route.wrapper.empty() || !route.body.empty() || !route.actions.empty();
        if (has_body) {
            out.request.body = "{}";
            out.request.headers.set("Content-Type", "application/json");
        }
        return out;
    }

    void queries(const api::Route& route, const api::Resource* resource, const api::Operation* operation) {
        const std::string base = path(route) + "?";
        for (const char* broken : {"a=%ff", "%ff=a", "a=%f0%9f"}) {
            Input out = with_junk(route, std::string("query ") + broken, base + broken);
            out.must = {400};
            send(std::move(out));
        }
        std::string many;
        for (int i = 0; i < 201; ++i) many += "&a=" + std::to_string(i);
        Input out = with_junk(route, "201 parameters", base + many.substr(1));
        out.must = {400};
        send(std::move(out));
        if (route.method != "GET") return;
        std::set<std::string> names{"limit", "marker", "sort_key", "sort_dir", "sort", "fields", "unknown", "name"};
        for (const Field& f : route.query) names.emplace(f.name);
        if (resource && operation->verb == api::Verb::list)
            for (const Field& f : resource->fields)
                if (f.use & api::filter) names.emplace(f.name);
        const std::string a300(300, 'a');
        for (const std::string& name : names)
            for (const std::string& value :
                 {std::string(), std::string("-1"), std::string("0"), std::string("99999999999999999999"), std::string("%00"), std::string("x%00y"),
                  std::string("%F0%9F%98%80"), std::string("'"), std::string("1.5"), std::string("true"), std::string("in:"), std::string("gt:"),
                  std::string("!"), std::string(",,"), std::string(":"), a300})
                send(input(route, "query " + name + "=" + value.substr(0, 20), base + percent_encode(name) + "=" + value));
    }

    void bytes(const api::Route& route) {
        for (const char* type : {"", "text/plain", "application/json", "application/octet-stream; charset=\xff", "application/octet-stream"}) {
            Input out = input(route, std::string("bytes of type ") + type, path(route));
            out.request.body = std::string("\0\xff{", 3);
            if (*type) out.request.headers.set("Content-Type", type);
            out.request.headers.set("Content-Length", "3");
            send(std::move(out));
        }
    }

    void broken_bodies(const api::Route& route) {
        const std::set<int> bad{400};
        std::string objects;
        for (int i = 0; i < 5000; ++i) objects += "{\"a\":";
        for (const std::string& body : {std::string("{"), std::string("nul"), std::string("{}{}"), std::string("\xef\xbb\xbf{"),
                                        std::string("{\"a\": \"\xff\xfe\"}"), std::string("{\"\xff\": 1}"), std::string("\0", 1), std::string("<a/>"),
                                        std::string("{'a': 1}"), std::string(5000, '['), objects, std::string(40, '[') + std::string(40, ']')})
            send(with_body(route, "body " + body.substr(0, 20), body, bad));
        for (const char* body : {"null", "[]", "\"x\"", "1"}) send(with_body(route, std::string("body ") + body, body, {}));
        for (const char* type : {"text/plain", "application/xml", "multipart/form-data; boundary=x", "\xff/\xff"}) {
            Input out = with_body(route, std::string("type ") + type, "{}", {400, 415});
            out.request.headers.set("Content-Type", type);
            send(std::move(out));
        }
        const std::string target = path(route);
        const std::uint64_t limit =
            subject_->service().body_policy({std::string(route.method), target, input(route, "", target).request.headers}).limit;
        send(with_body(route, "body above the limit", "{\"a\":\"" + std::string(limit, 'a') + "\"}", {413}));
    }

    void fields(const api::Route& route, std::span<const Field> all, std::string_view wrapper, unsigned use, bool strict) {
        const auto wrap = [&](const json::object& object) { return wrapper.empty() ? to_text(object) : to_text(json::object{{wrapper, object}}); };
        json::object base;
        for (const Field& f : all)
            if ((f.use & api::required) && use != api::update && !f.until) base[f.name] = good_value(f);
        for (const Field& f : all) {
            if (f.until) continue;
            const bool usable = use == 0 || (f.use & use);
            json::object body = base;
            body[f.name] = "@@bad@@";
            for (const Bad& bad : bad_values()) {
                std::set<int> must;
                if (usable ? forbidden(style(), f, bad) : !bad.is_json) must = {400};
                send(with_body(route, "field " + std::string(f.name) + " = " + bad.text.substr(0, 20), replaced(wrap(body), bad.text), must));
            }
            if (base.contains(f.name)) {
                body.erase(f.name);
                send(with_body(route, "without " + std::string(f.name), wrap(body), {400}));
            }
        }
        base["no such attribute"] = 1;
        const bool refused = strict || (style().unknown == api::Unknown::refuse && !route.extra);
        send(with_body(route, "an unknown attribute", wrap(base), refused ? std::set<int>{400} : std::set<int>{}));
        if (!wrapper.empty()) {
            // An absent one is an empty object to identity, which may be enough.
            const std::set<int> absent = style().dialect == api::Dialect::identity ? std::set<int>{} : std::set<int>{400};
            for (const char* body : {"{}", R"({"no such wrapper": {}})"}) send(with_body(route, std::string("wrapper ") + body, body, absent));
            for (const char* body : {"[]", "null"}) send(with_body(route, std::string("wrapper ") + body, body, {400}));
        }
        if (!wrapper.empty())
            for (const char* value : {"null", "[]", "\"x\"", "5"})
                send(with_body(route, std::string("wrapped ") + value, "{\"" + std::string(wrapper) + "\": " + value + "}", {}));
    }

    static std::string replaced(std::string text, std::string_view by) {
        const std::size_t at = text.find(mark);
        return at == std::string::npos ? text : text.replace(at, mark.size(), by);
    }

    // Every part of a good body in its turn.
    void from_sample(const api::Route& route, std::string_view sample) {
        json::value body = parse_json(filled(sample));
        parts(route, body, body, "");
    }
    std::string filled(std::string_view text) {
        std::string out(text);
        for (const auto& [name, value] : subject_->parameters)
            for (const std::string key = "${" + name + "}"; out.find(key) != std::string::npos;) out.replace(out.find(key), key.size(), value);
        return out;
    }
    void parts(const api::Route& route, json::value& whole, json::value& part, const std::string& where) {
        const json::value before = part;
        part = "@@bad@@";
        const std::string text = to_text(whole);
        for (const Bad& bad : bad_values())
            send(with_body(route, "at " + where + ": " + bad.text.substr(0, 20), replaced(text, bad.text),
                           bad.is_json ? std::set<int>{} : std::set<int>{400}));
        part = before;
        if (json::object* object = part.if_object()) {
            (*object)["no such attribute"] = 1;
            send(with_body(route, "an unknown attribute at " + where, to_text(whole)));
            part = before;
            for (const auto& member : before.get_object()) {
                part.get_object().erase(member.key());
                send(with_body(route, "without " + where + "/" + std::string(member.key()), to_text(whole)));
                part = before;
            }
            for (auto& member : part.get_object()) parts(route, whole, member.value(), where + "/" + std::string(member.key()));
        } else if (json::array* array = part.if_array()) {
            for (std::size_t i = 0; i < array->size(); ++i) parts(route, whole, (*array)[i], where + "/" + std::to_string(i));
        }
    }

    void renew() {
        subject_ = plan_.fresh();
        changes_ = 0;
        note();
    }
    void note() { before_ = contents(subject_->service().store(), plan_.unstable); }

    void send(Input input) {
        ++report.requests;
        http::Request& request = input.request;
        request.path = request.target.substr(0, request.target.find('?'));
        if (request.path.size() < request.target.size()) request.query = request.target.substr(request.path.size() + 1);
        request.peer = "127.0.0.1";
        api::Service& service = subject_->service();
        const http::BodyPolicy policy = service.body_policy({request.method, request.path, request.headers});
        if (request.body.size() > policy.limit) input.must = {413};
        if (!request.body.empty() && !input.must.empty() && plan_.judged_by_body.contains(name_)) input.must.insert(403);
        BodyBytes stream(request.body);
        if (policy.stream) request.stream = &stream;
        const http::Response response = request.body.size() > policy.limit ? service.refuse(413, "body too large") : service.handle(request);
        subject_->settle();
        judge(input, response);
        const bool reads = request.method == "GET" || request.method == "HEAD";
        if (response.status < 400) {
            ++report.accepted;
            if (reads) return;
            changes_ += request.method == "DELETE" ? plan_.renew_after : 1;
            return changes_ < plan_.renew_after ? note() : renew();
        }
        if (reads && report.requests % 50 != 0) return;
        if (contents(service.store(), plan_.unstable) == before_) return;
        fail(input, response, "changed something although it was refused");
        renew();
    }

    void judge(const Input& input, const http::Response& response) {
        if (response.status == 500 && plan_.failing.contains(name_)) return;
        if (response.status >= 500) return fail(input, response, "a server's error");
        if (!input.must.empty() && !input.must.contains(response.status)) return fail(input, response, "not refused as it must be");
        for (const auto& [name, value] : response.headers.items())
            if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
                return fail(input, response, "a control character in header " + name);
        if (!is_utf8(response.body)) return fail(input, response, "no UTF-8");
        if (response.status < 400) return;
        try {
            if (!is_envelope(style().dialect, response)) fail(input, response, "not the envelope");
        } catch (const std::exception&) {
            fail(input, response, "not the envelope");
        }
    }

    void fail(const Input& input, const http::Response& response, std::string_view what) {
        report.failures.push_back(name_ + ", " + input.label + ": " + std::string(what) + ": " + std::to_string(response.status) + " " +
                                  response.body.substr(0, 300) + "\n    sent " + input.request.target.substr(0, 200) + " " +
                                  input.request.body.substr(0, 300));
    }

    const BadInputPlan& plan_;
    std::unique_ptr<BadInputSubject> subject_;
    std::string name_, before_;
    std::size_t changes_ = 0;
};

}  // namespace

void check_bad_input(const BadInputPlan& plan) {
    log::set_level(log::Level::error);
    const std::unique_ptr<BadInputSubject> subject = plan.fresh();
    const api::ServiceSpec& spec = subject->service().spec();
    Sender sender(plan);
    for (const api::Resource* resource : spec.resources)
        for (const api::Operation& operation : resource->operations) {
            const auto endpoint = api::endpoint_of(spec.style, *resource, operation);
            sender.operation(endpoint->route, resource, &operation);
        }
    for (const auto& routes : spec.routes)
        for (const api::Route& route : routes) sender.operation(route, nullptr, nullptr);
    for (const std::string& failure : sender.report.failures) FAIL_CHECK(failure);
    CHECK(sender.report.operations == subject->service().operations().size());
    MESSAGE(sender.report.operations << " operations, " << sender.report.requests << " requests, " << sender.report.accepted << " accepted");
}

}  // namespace pilvi::testing
