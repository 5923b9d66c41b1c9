#include "api/policy.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "api/policy_check.h"
#include "base/error.h"
#include "base/text.h"

namespace pilvi::api {

namespace {
constexpr int depth_limit = 64;
}

namespace {

// Python's str() of a JSON value, which is what oslo.policy compares.
std::string python_text(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            return "None";
        case json::kind::bool_:
            return value.get_bool() ? "True" : "False";
        case json::kind::string:
            return str(value.get_string());
        default:
            return to_text(value);
    }
}

// `name` as a member of its own, or as a dotted path.
const json::value* lookup(const json::object& target, std::string_view name) {
    if (const json::value* found = target.if_contains(name)) return found;
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return nullptr;
    const json::value* head = target.if_contains(name.substr(0, dot));
    return head ? find_path(*head, name.substr(dot + 1)) : nullptr;
}

// Replaces every %(name)s; nullopt where a name is not in the target.
std::optional<std::string> substitute(std::string_view pattern, const json::object& target) {
    std::string out;
    while (true) {
        const std::size_t at = pattern.find("%(");
        out += pattern.substr(0, at);
        if (at == std::string_view::npos) return out;
        const std::size_t end = pattern.find(")s", at);
        if (end == std::string_view::npos) return std::nullopt;
        const json::value* value = lookup(target, pattern.substr(at + 2, end - at - 2));
        if (!value) return std::nullopt;
        out += python_text(*value);
        pattern.remove_prefix(end + 2);
    }
}

// The caller's attribute of that name; "" where there is none.
std::string credential(const Context& who, std::string_view name) {
    struct Attribute {
        std::string_view name;
        std::string Context::*member;
    };
    static constexpr Attribute attributes[] = {
        {"user_id", &Context::user_id},
        {"project_id", &Context::project_id},
        {"tenant_id", &Context::project_id},
        {"tenant", &Context::project_id},
        {"domain_id", &Context::domain_id},
        {"user_domain_id", &Context::user_domain_id},
        {"project_domain_id", &Context::project_domain_id},
        {"token.user.domain.id", &Context::user_domain_id},
        {"token.project.domain.id", &Context::project_domain_id},
        {"token.domain.id", &Context::domain_id},
        {"user_name", &Context::user_name},
        {"username", &Context::user_name},
        {"project_name", &Context::project_name},
        {"user_domain_name", &Context::user_domain_name},
        {"project_domain_name", &Context::project_domain_name},
        {"domain_name", &Context::domain_name},
    };
    for (const Attribute& a : attributes)
        if (a.name == name) return who.*(a.member);
    if (name == "is_admin") return who.is_admin ? "True" : "False";
    if (name == "system_scope") return who.system ? "all" : "";
    if (name == "is_admin_project") return "True";
    return {};
}

bool quoted(std::string_view text) { return text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front(); }

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) { tokenize(text); }

    std::shared_ptr<const Check> parse() {
        if (tokens_.empty()) return leaf(Check::Kind::always);  // the empty rule allows, as in oslo.policy
        auto root = any(0);
        if (at_ != tokens_.size()) fail("unexpected '" + tokens_[at_] + "'");
        return root;
    }

private:
    [[noreturn]] void fail(const std::string& why) const {
        throw Error(Errc::bad_request, "policy check '" + std::string(text_.substr(0, 200)) + "': " + why);
    }

    static std::shared_ptr<Check> leaf(Check::Kind kind) {
        auto node = std::make_shared<Check>();
        node->kind = kind;
        return node;
    }

    // Words are separated by white space; parentheses at a word's ends are words of their own, but for the one of "%(name)s".
    void tokenize(std::string_view text) {
        for (std::string word : split_words(text)) {
            while (!word.empty() && word.front() == '(') {
                tokens_.emplace_back("(");
                word.erase(0, 1);
            }
            int closing = 0;
            while (!word.empty() && word.back() == ')') {
                ++closing;
                word.pop_back();
            }
            if (!word.empty()) tokens_.push_back(word);
            for (; closing > 0; --closing) tokens_.emplace_back(")");
        }
        if (tokens_.size() > 2000) fail("too long");
    }

    static std::vector<std::string> split_words(std::string_view text) {
        std::vector<std::string> words;
        std::string word;
        char quote = 0;
        for (const char c : text) {
            if (quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
                if (!word.empty()) words.push_back(std::move(word));
                word.clear();
                continue;
            }
            if (quote != 0 && c == quote) quote = 0;
            else if (quote == 0 && (c == '\'' || c == '"')) quote = c;
            word += c;
        }
        if (!word.empty()) words.push_back(std::move(word));
        return words;
    }

    bool word_is(std::string_view keyword) const { return at_ < tokens_.size() && equals_ignoring_case(tokens_[at_], keyword); }

    std::shared_ptr<const Check> chain(Check::Kind kind, std::string_view keyword, int depth) {
        auto first = kind == Check::Kind::any ? chain(Check::Kind::all, "and", depth) : unary(depth);
        if (!word_is(keyword)) return first;
        auto node = leaf(kind);
        node->children.push_back(std::move(first));
        while (word_is(keyword)) {
            ++at_;
            node->children.push_back(kind == Check::Kind::any ? chain(Check::Kind::all, "and", depth) : unary(depth));
        }
        return node;
    }
    std::shared_ptr<const Check> any(int depth) { return chain(Check::Kind::any, "or", depth); }

    std::shared_ptr<const Check> unary(int depth) {
        if (depth > depth_limit) fail("nested too deeply");
        if (at_ >= tokens_.size()) fail("it ends too early");
        if (word_is("not")) {
            ++at_;
            auto node = leaf(Check::Kind::negate);
            node->children.push_back(unary(depth + 1));
            return node;
        }
        if (tokens_[at_] == "(") {
            ++at_;
            auto inner = any(depth + 1);
            if (at_ >= tokens_.size() || tokens_[at_] != ")") fail("')' is missing");
            ++at_;
            return inner;
        }
        return primary(tokens_[at_++]);
    }

    std::shared_ptr<const Check> primary(const std::string& word) {
        if (word == "@") return leaf(Check::Kind::always);
        if (word == "!") return leaf(Check::Kind::never);
        if (word == ")" || equals_ignoring_case(word, "and") || equals_ignoring_case(word, "or")) fail("unexpected '" + word + "'");
        const std::size_t from = quoted_prefix(word);
        const std::size_t colon = word.find(':', from);
        if (colon == std::string::npos || colon == 0) fail("'" + word + "' is not KIND:MATCH");
        auto node = leaf(Check::Kind::compare);
        node->left = word.substr(0, colon);
        node->right = word.substr(colon + 1);
        if (node->left == "http" || node->left == "https") fail("remote checks are not supported");
        return node;
    }

    static std::size_t quoted_prefix(const std::string& word) {
        if (word.front() != '\'' && word.front() != '"') return 0;
        const std::size_t end = word.find(word.front(), 1);
        return end == std::string::npos ? 0 : end + 1;
    }

    std::string_view text_;
    std::vector<std::string> tokens_;
    std::size_t at_ = 0;
};

}  // namespace

bool Check::holds(const Policy& policy, const Context& who, const json::object& target, int depth, Explanation* why) const {
    const auto part = [&](const Check& child) {
        if (!why) return child.holds(policy, who, target, depth + 1);
        why->parts.emplace_back();
        Explanation& own = why->parts.back();
        own.held = child.holds(policy, who, target, depth + 1, &own);
        return own.held;
    };
    if (why) why->text = kind == Kind::all ? "and" : kind == Kind::any ? "or" : kind == Kind::negate ? "not" : text();
    if (depth > depth_limit) {
        if (why) why->note = "the rules refer to each other without end";
        return false;
    }
    switch (kind) {
        case Kind::always:
            return true;
        case Kind::never:
            return false;
        case Kind::negate:
            return !part(*children.front());
        case Kind::all:
        case Kind::any: {
            bool held = kind == Kind::all;
            for (const auto& child : children) {
                const bool one = part(*child);
                held = kind == Kind::all ? held && one : held || one;
                if (!why && held != (kind == Kind::all)) break;
            }
            return held;
        }
        case Kind::compare:
            return compare(policy, who, target, depth, why);
    }
    return false;
}

bool Check::compare(const Policy& policy, const Context& who, const json::object& target, int depth, Explanation* why) const {
    const auto note = [why](std::string text) {
        if (why) why->note = std::move(text);
    };
    if (left == "rule") {
        const auto found = policy.find(right);
        if (!found) {
            note("there is no rule of this name");
            return false;
        }
        if (!why) return found->holds(policy, who, target, depth + 1);
        why->parts.emplace_back();
        return why->parts.back().held = found->holds(policy, who, target, depth + 1, &why->parts.back());
    }
    const std::optional<std::string> wanted = substitute(right, target);
    if (!wanted) {
        note("the target has no such value");
        return false;
    }
    if (left == "role") {
        if (why) note("the caller's roles: " + (who.roles.empty() ? "none" : join(who.roles, ", ")));
        return std::any_of(who.roles.begin(), who.roles.end(), [&](const std::string& role) { return equals_ignoring_case(role, *wanted); });
    }
    if (right.find("%(") != std::string::npos) note("wanted: " + (wanted->empty() ? "nothing" : *wanted));
    if (quoted(left)) return std::string_view(left).substr(1, left.size() - 2) == *wanted;
    if (left == "True" || left == "False" || left == "None" || parse_integer(left)) return left == *wanted;
    if (left == "roles") return std::find(who.roles.begin(), who.roles.end(), *wanted) != who.roles.end();
    const std::string mine = credential(who, left);
    note("the caller's: " + (mine.empty() ? "nothing" : mine) + ", wanted: " + (wanted->empty() ? "nothing" : *wanted));
    return !mine.empty() && mine == *wanted;
}

std::string Check::text() const {
    std::string out;
    switch (kind) {
        case Kind::always:
            return "@";
        case Kind::never:
            return "!";
        case Kind::compare:
            return left + ":" + right;
        case Kind::negate:
            return "not " + children.front()->text();
        default:
            for (const auto& child : children) out += (out.empty() ? "" : kind == Kind::all ? " and " : " or ") + child->text();
            return "(" + out + ")";
    }
}

void collect_references(const Check& check, std::vector<std::string>& out) {
    if (check.kind == Check::Kind::compare && check.left == "rule") out.push_back(check.right);
    for (const auto& child : check.children) collect_references(*child, out);
}

std::shared_ptr<const Check> parse_check(std::string_view text) {
    if (text.size() > 20'000) throw Error(Errc::bad_request, "policy check is longer than 20000 characters");
    return Parser(text).parse();
}

void Policy::add(std::string_view name, std::string_view check) { rules_[std::string(name)] = {parse_check(check), std::string(check)}; }

void Policy::add(std::span<const PolicyRule> rules) {
    for (const PolicyRule& rule : rules) {
        add(rule.name, rule.check);
        if (!rule.description.empty()) rules_.find(rule.name)->second.description = rule.description;
    }
}

std::shared_ptr<const Check> Policy::find(std::string_view rule) const {
    auto found = rules_.find(rule);
    if (found == rules_.end()) found = rules_.find("default");
    return found == rules_.end() ? nullptr : found->second.check;
}

namespace {
unsigned scope_of(const Context& who) { return who.system ? system_scope : !who.domain_id.empty() ? domain_scope : project_scope; }
}  // namespace

void Policy::limit_scope(std::string_view name, unsigned scopes) {
    if (scopes == any_scope) return;
    const auto [at, fresh] = scopes_.emplace(std::string(name), scopes);
    if (!fresh) at->second &= scopes;
}

bool Policy::scope_fits(std::string_view rule, const Context& who) const {
    const auto scopes = scopes_.find(rule);
    return !enforce_scope_ || scopes == scopes_.end() || (scopes->second & scope_of(who)) != 0;
}

bool Policy::allows(std::string_view rule, const Context& who, const json::object& target) const {
    if (!scope_fits(rule, who)) return false;
    const auto check = find(rule);
    return check && check->holds(*this, who, target, 0);
}

Explanation Policy::explain(std::string_view rule, const Context& who, const json::object& target) const {
    Explanation out{.text = std::string(rule)};
    const auto check = find(rule);
    if (!check) {
        out.note = "there is no rule of this name, so it is denied";
        return out;
    }
    if (!rules_.contains(rule)) out.note = "there is no rule of this name: the rule \"default\" decides";
    out.parts.emplace_back();
    out.held = out.parts.back().held = check->holds(*this, who, target, 0, &out.parts.back());
    if (!scope_fits(rule, who)) {
        out.held = false;
        out.note = "denied: this operation is not for tokens of this scope (policy.enforce_scope)";
    }
    return out;
}

bool Policy::allows_check(std::string_view check, const Context& who, const json::object& target) const {
    static std::mutex mutex;
    static std::map<std::string, std::shared_ptr<const Check>, std::less<>> parsed;  // by text: the texts come from constexpr tables
    std::shared_ptr<const Check> node;
    {
        const std::lock_guard lock(mutex);
        auto found = parsed.find(check);
        if (found == parsed.end()) found = parsed.emplace(std::string(check), parse_check(check)).first;
        node = found->second;
    }
    return node->holds(*this, who, target, 0);
}

}  // namespace pilvi::api
