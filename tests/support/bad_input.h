#pragma once
// Bad input for every operation of a service, made from what the service declares: its resources, routes, actions and fields. Nothing is listed by hand;
// an operation that is added is tested by being there.
//
// Every request that is made here is either refused, with a 4xx in the service's envelope and without a change in the database, or, where the tables do
// not forbid it (a field of any type, a member that is kept), accepted. It is never answered with a 5xx, and what a field's type forbids is always 400.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/service.h"

namespace pilvi::testing {

// A service with its database as the requests find it.
struct BadInputSubject {
    virtual ~BadInputSubject() = default;
    virtual api::Service& service() = 0;
    virtual std::string token() = 0;  // of who may do everything
    virtual void settle() {}          // waits for what a request began
    http::Headers headers;            // of every request
    // Values of path parameters, by "{name}" or by the path up to it ("/v3/users/{id}"); without one a value is used that names nothing.
    std::map<std::string, std::string, std::less<>> parameters;
};

struct BadInputPlan {
    std::function<std::unique_ptr<BadInputSubject>()> fresh;
    // Good bodies of operations that take any JSON, by "METHOD path"; their parts are replaced by bad ones. ${name} is a parameter.
    std::map<std::string, std::string, std::less<>> bodies = {};
    std::map<std::string, std::string, std::less<>> content_types = {};  // by "METHOD path"; otherwise application/json
    // Operations whose policy depends on the body: a bad one may be answered 403.
    std::set<std::string, std::less<>> judged_by_body = {};
    // Operations that answer 500 whatever comes in, as the original does, by "METHOD path".
    std::set<std::string, std::less<>> failing = {};
    // So many requests that may have changed something are accepted before the subject is made anew; those that delete count as all of them.
    std::size_t renew_after = 1;
    // Tables that requests change although they are refused (failed logins).
    std::set<std::string> unstable = {};
};

// Sends it all (doctest CHECKs); every operation that the service has is among them.
void check_bad_input(const BadInputPlan& plan);

}  // namespace pilvi::testing
