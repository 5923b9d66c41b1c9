#pragma once
// POST /v3/auth/tokens: who asks (by password, token or application credential) and for which scope.
#include <optional>
#include <string>

#include "api/service.h"
#include "auth/tokens.h"
#include "domain/password.h"

namespace pilvi::identity {

// Every failure to log in is the same answer after the same work, whatever was wrong: Error(unauthenticated). A body of the wrong shape is
// Error(bad_request).
Tokens::Issued log_in(const api::ServiceStyle& style, Store& store, Tokens& tokens, const PasswordHasher& hasher, const json::value& body);

[[noreturn]] void refuse_login();

}  // namespace pilvi::identity
