#pragma once
// Default checks of the policy rules that the routes name. Source: Image API policy reference.
namespace pilvi::image::rules {

constexpr const char* member = "role:admin or (role:member and project_id:%(project_id)s)";
constexpr const char* reader = "role:admin or (role:reader and project_id:%(project_id)s)";
constexpr const char* get_image =
    "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or "
    "'public':%(visibility)s or 'shared':%(visibility)s))";
constexpr const char* download_image =
    "role:admin or (role:member and (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or "
    "'public':%(visibility)s or 'shared':%(visibility)s))";
constexpr const char* reader_or_image_member = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))";
constexpr const char* image_member = "role:admin or (role:member and project_id:%(member_id)s)";
constexpr const char* get_namespace = "role:admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))";
constexpr const char* metadef_admin = "rule:metadef_admin";
constexpr const char* admin = "role:admin";

}  // namespace pilvi::image::rules
