#pragma once
// Which properties of images a caller may create, see, change and delete, where a property protection file says so.
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "api/call.h"
#include "api/policy.h"
#include "config/config.h"
#include "domain/property_protection.h"

namespace pilvi::image {

// The file of property_protection.file; nullptr where none is set. Throws Error(bad_request) naming the file and what is wrong with it.
std::unique_ptr<const PropertyRules> configured_protection(const Config& config);
// Throws Error(bad_request) where the file names a rule that `policy` does not have.
void check_protection(const PropertyRules& rules, const api::Policy& policy);

// True where there is no file.
bool may(const api::Call& call, std::string_view property, PropertyRight right);
// Error(forbidden) unless the caller may.
void enforce_property(const api::Call& call, std::string_view property, PropertyRight right);
// For a property that gets a value: to create or update it, whichever it is to this caller. Error(forbidden).
void enforce_set(const api::Call& call, const std::map<std::string, std::string>& properties, const std::string& name);

}  // namespace pilvi::image
