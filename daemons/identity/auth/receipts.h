#pragma once
// Logging in by several factors: the user's rules, and receipts of what was shown so far.
#include <optional>
#include <string_view>

#include "app.h"
#include "auth/login.h"

namespace pilvi::identity {

inline constexpr std::string_view receipt_header = "Openstack-Auth-Receipt";

// Adds the methods of a receipt that came along ("" = none). Throws Error(unauthenticated) where it is none of ours, has ended, or is another user's.
void add_receipt(const App& shared, Store& store, std::string_view receipt, Payload& payload);
// nullopt: the user has no rules, or one is met. Otherwise the rules that the methods are part of (possibly none), as the answer shows them.
std::optional<json::array> missing_methods(Store& store, const Payload& payload);
Receipt make_receipt(const App& shared, Store& store, const Payload& payload, json::array required);

}  // namespace pilvi::identity
