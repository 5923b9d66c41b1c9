#pragma once
#include "resources/addresses.h"
#include "resources/common.h"

namespace pilvi::network {

// Subnets that the router is connected to: those of its interfaces, and all of its gateway's network.
std::vector<Subnet> router_subnets(Tx& tx, const std::string& router_id);
// Throws BadRequest where the router has one of `wanted`, or one that overlaps it.
void check_router_subnets(Tx& tx, const std::string& router_id, const std::vector<Subnet>& wanted);
// Throws InvalidRoutes where a next hop is not on a connected subnet, or is the router itself; RoutesExhausted.
void check_routes(Tx& tx, const std::string& router_id, const json::array& routes);

extern const std::span<const api::Route> router_routes;  // add/remove_router_interface, add/remove_extraroutes

}  // namespace pilvi::network
