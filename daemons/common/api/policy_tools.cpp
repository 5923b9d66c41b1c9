#include "api/policy_tools.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "api/router.h"
#include "base/fd.h"
#include "base/text.h"
#include "log/log.h"
#include "service/subcommands.h"

namespace pilvi::api {

namespace {

std::string content(const std::string& file) {
    if (file != "-") return read_file(file);
    std::string out;
    char buffer[4096];
    for (std::size_t size = 1; size > 0; out.append(buffer, size)) size = std::fread(buffer, 1, sizeof buffer, stdin);
    return out;
}

// target["a"]["b"] = value for "a.b", and target["a.b"] is not there.
void set_path(json::object& target, const std::string& path, const std::string& value) {
    json::object* at = &target;
    const std::vector<std::string> steps = split(path, '.');
    for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
        json::value& next = (*at)[steps[i]];
        if (!next.is_object()) next = json::object();
        at = &next.get_object();
    }
    (*at)[steps.back()] = value;
}

void read_token(const std::string& file, Context& who) {
    const json::value body = parse_json(content(file));
    const json::value* token = find_path(body, "token");
    if (!token || !token->is_object()) throw Error(Errc::bad_request, file + " is not the body of a token");
    who = context_from_token(token->get_object());
}

void print_tree(const Explanation& node, int depth, std::string& out) {
    out += std::string(static_cast<std::size_t>(depth) * 2, ' ') + (node.held ? "yes  " : "no   ") + node.text +
           (node.note.empty() ? "" : "   (" + node.note + ")") + "\n";
    for (const Explanation& part : node.parts) print_tree(part, depth + 1, out);
}

// The policies of one request: several where the path has actions.
std::vector<std::string> policies_of(const ServiceSpec& spec, const std::string& method, const std::string& path) {
    std::vector<std::string> out;
    Router router;
    std::vector<DeclaredOperation> operations = declared_operations(spec);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        auto endpoint = std::make_unique<Endpoint>();
        endpoint->route.method = operations[i].method;
        endpoint->route.path = operations[i].path;
        endpoint->route.policy = operations[i].policy;
        router.add(std::move(endpoint));
    }
    const Match match = router.match(method, path.substr(0, path.find('?')), {});
    if (!match.endpoint) return out;
    for (const DeclaredOperation& o : operations)
        if (o.path == match.endpoint->route.path && (o.method == match.endpoint->route.method) && !o.policy.empty() &&
            std::find(out.begin(), out.end(), o.policy) == out.end())
            out.push_back(o.policy);
    return out;
}

int run_check(const PolicyTools& tools, const Config& config, const Arguments& arguments) {
    const ServiceSpec spec = tools.spec();
    Policy policy = default_policy(spec);
    if (const std::string file = policy_file(config, tools.daemon); !file.empty()) policy.load_file(file);
    policy.enforce_scope(config.boolean("policy.enforce_scope"));
    const std::string answer = explain_decision(spec, policy, read_question(arguments));
    std::fputs(answer.c_str(), stdout);
    return answer.starts_with("allowed") ? 0 : 1;
}

int run_list(const PolicyTools& tools) {
    std::fputs(sample_policy(tools.spec()).c_str(), stdout);
    return 0;
}

}  // namespace

std::string policy_file(const Config& config, std::string_view daemon) {
    std::string file = config.text("policy.file");
    if (!file.empty()) return file;
    file = "/etc/pilvi/" + std::string(daemon) + "/policy.yaml";
    return std::filesystem::exists(file) ? file : std::string();
}

void configure_policy(Service& service, const Config& config, std::string_view daemon) {
    if (const std::string file = policy_file(config, daemon); !file.empty())
        for (const std::string& line : service.policy().load_file(file)) log::warning(line + "; it is not used");
    service.policy().enforce_scope(config.boolean("policy.enforce_scope"));
}

void PolicyTools::check(const Config& config) const {
    Policy policy = default_policy(spec());
    if (const std::string file = policy_file(config, daemon); !file.empty())
        for (const std::string& line : policy.load_file(file)) std::printf("%s\n", line.c_str());
}

std::vector<Subcommand> PolicyTools::commands() const {
    return {{subcommands::policy_list, [tools = *this](const Config&, const Arguments&) { return run_list(tools); }},
            {subcommands::policy_check, [tools = *this](const Config& config, const Arguments& a) { return run_check(tools, config, a); }}};
}

std::vector<DeclaredOperation> declared_operations(const ServiceSpec& spec) {
    std::vector<DeclaredOperation> out;
    for (const Resource* resource : spec.resources)
        for (const Operation& operation : resource->operations) {
            const auto endpoint = endpoint_of(spec.style, *resource, operation);
            for (const std::string_view rule : {operation.policy, operation.other_policy})
                if (!rule.empty()) out.push_back({std::string(endpoint->route.method), endpoint->path, std::string(rule)});
        }
    for (const auto& routes : spec.routes)
        for (const Route& route : routes) {
            if (!route.policy.empty()) out.push_back({std::string(route.method), std::string(route.path), std::string(route.policy)});
            for (const Action& action : route.actions)
                out.push_back({std::string(route.method), std::string(route.path), std::string(action.policy)});
        }
    return out;
}

std::string sample_policy(const ServiceSpec& spec) {
    std::map<std::string, std::vector<std::string>, std::less<>> operations;
    for (const DeclaredOperation& o : declared_operations(spec)) {
        std::vector<std::string>& lines = operations[o.policy];
        std::string line = "# " + o.method + "  " + o.path + "\n";
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
    }
    std::string out;
    const Policy policy = default_policy(spec);
    for (const auto& [name, rule] : policy.rules()) {
        if (!rule.description.empty()) out += "# " + std::string(rule.description) + "\n";
        for (const std::string& line : operations[name]) out += line;
        out += "#\"" + name + "\": " + to_text(json::value(rule.text)) + "\n\n";
    }
    return out;
}

PolicyQuestion read_question(const Arguments& arguments) {
    PolicyQuestion out;
    out.operation = arguments.text("OPERATION");
    if (arguments.given("PATH")) out.operation += " " + arguments.text("PATH");
    out.who.user_id = arguments.text("--user");
    out.who.user_domain_id = arguments.text("--user-domain");
    out.who.project_id = arguments.text("--project");
    out.who.domain_id = arguments.text("--domain");
    out.who.system = arguments.given("--system");
    out.who.roles = split(arguments.text("--roles"), ',', false);
    if (arguments.given("--token-file")) read_token(arguments.text("--token-file"), out.who);
    out.who.is_admin = out.who.has_role("admin");
    if (const std::string file = arguments.text("--target-file"); !file.empty()) {
        const json::value target = parse_json(content(file));
        if (!target.is_object()) throw Error(Errc::bad_request, file + " is not a JSON object");
        out.target = target.get_object();
    }
    for (const std::string& given : arguments.all("--target")) {
        const std::size_t equals = given.find('=');
        if (equals == std::string::npos || equals == 0) throw Error(Errc::bad_request, "--target needs NAME=VALUE, not '" + given + "'");
        set_path(out.target, given.substr(0, equals), given.substr(equals + 1));
    }
    return out;
}

std::string explain_decision(const ServiceSpec& spec, const Policy& policy, const PolicyQuestion& question) {
    const std::size_t space = question.operation.find(' ');
    std::vector<std::string> names{question.operation};
    if (space != std::string::npos) names = policies_of(spec, question.operation.substr(0, space), question.operation.substr(space + 1));
    if (names.empty()) throw Error(Errc::not_found, "this service has no operation '" + question.operation + "' that a policy guards");
    const Context& who = question.who;
    const json::object own{{"project_id", who.project_id}, {"user_id", who.user_id}, {"domain_id", who.domain_id}};
    std::string tree;
    bool allowed = false;
    for (const std::string& name : names) {
        const Explanation why = policy.explain(name, who, question.target.empty() ? own : question.target);
        allowed = allowed || why.held;
        print_tree(why, 0, tree);
    }
    return (allowed ? "allowed\n" : "denied\n") + tree;
}

}  // namespace pilvi::api
