#pragma once
// Internal: a parsed policy expression.
#include <memory>
#include <string>
#include <vector>

#include "api/policy.h"

namespace pilvi::api {

// A node of an expression; immutable once parsed.
class Check {
public:
    enum class Kind { always, never, all, any, negate, compare };
    Kind kind = Kind::never;
    std::vector<std::shared_ptr<const Check>> children;
    std::string left, right;  // compare: "role" and "admin", "rule" and "owner", "project_id" and "%(project_id)s"

    // With `why`, every part is looked at and written down.
    bool holds(const Policy& policy, const Context& who, const json::object& target, int depth, Explanation* why = nullptr) const;
    std::string text() const;

private:
    bool compare(const Policy& policy, const Context& who, const json::object& target, int depth, Explanation* why) const;
};

// "rule:" references anywhere in the expression.
void collect_references(const Check& check, std::vector<std::string>& out);

}  // namespace pilvi::api
