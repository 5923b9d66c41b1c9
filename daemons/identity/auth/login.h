#pragma once
// POST /v3/auth/tokens: who asks (by password, token, TOTP, application credential, OAuth1) and for which scope.
#include <string>
#include <variant>

#include "api/service.h"
#include "auth/tokens.h"
#include "domain/oauth1.h"

namespace pilvi::identity {

// What was shown is right, but the user's rules ask for more methods: the next login brings the receipt along.
struct Receipt {
    std::string text;  // for the header Openstack-Auth-Receipt
    json::object body;
};

// Every failure to log in is the same answer after the same work, whatever was wrong: Error(unauthenticated). A body of the wrong shape is
// Error(bad_request). `call`: for its headers (receipt, OAuth signature) and what it is called at; `body`: {"auth": ...}.
std::variant<Tokens::Issued, Receipt> log_in(const api::Call& call, const json::value& body);

[[noreturn]] void refuse_login();

// As OAuth1 signs it. Refers to the call's request.
SignedRequest signed_request(const api::Call& call);

}  // namespace pilvi::identity
