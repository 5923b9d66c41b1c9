#pragma once
// Property protection files: who may create, read, update and delete which free properties of images. Source: Glance administrator guide, "Property
// protections": an INI file, each section a regular expression, the first that is found in a property's name decides; a property that none fits is
// nobody's.
#include <array>
#include <boost/regex_fwd.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::image {

enum class PropertyRight : unsigned char { create, read, update, remove };

class PropertyRules {
public:
    // `roles`: permissions are lists of roles, and "@" and "!" (everybody, nobody); otherwise each is the name of one policy rule.
    enum class Format : unsigned char { roles, policies };
    // What decides on one right.
    struct Permission {
        enum class Kind : unsigned char { nobody, everybody, roles, policy } kind = Kind::nobody;
        std::vector<std::string> names = {};  // roles, or the one rule
        // Whether one of the caller's roles is named; case does not count.
        bool names_role(const std::vector<std::string>& roles) const;
    };

    // Throws Error(bad_request) naming the line or section that is wrong.
    PropertyRules(std::string_view text, Format format);
    // A file without any section allows everything.
    const Permission& permission(std::string_view property, PropertyRight right) const;
    // Policy rules that the file names.
    std::vector<std::string> policies() const;

private:
    struct Section {
        std::shared_ptr<const boost::regex> expression;
        std::array<Permission, 4> permissions;  // by PropertyRight
    };
    std::vector<Section> sections_;
};

}  // namespace pilvi::image
