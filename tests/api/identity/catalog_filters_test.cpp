// What shapes the catalogue: endpoint filters and groups, policies of endpoints; and limits, settings of a domain.
#include "fixture.h"
#include "resources/domain_config.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

Case as(std::string token, std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {}, Pairs save = {}) {
    return {.method = method,
            .path = std::move(path),
            .token = "${" + token + "_token}",
            .body = std::move(body),
            .status = status,
            .expect = std::move(expect),
            .save = std::move(save),
            .empty = status == 204};
}
Case admin(std::string_view method, std::string path, int status, std::string body = {}, std::string expect = {}, Pairs save = {}) {
    return as("admin", method, std::move(path), status, std::move(body), std::move(expect), std::move(save));
}
const std::string missing = "0123456789abcdef0123456789abcdef";

struct CatalogFixture : IdentityFixture {
    CatalogFixture() {
        const Case cases_[] = {
            admin("POST", "/v3/services", 201, R"({"service": {"type": "test", "name": "t"}})", "", {{"service", "service.id"}}),
            admin("PUT", "/v3/regions/Above", 201, R"({"region": {}})"),
            admin("PUT", "/v3/regions/Below", 201, R"({"region": {"parent_region_id": "Above"}})"),
            admin("POST", "/v3/endpoints", 201,
                  R"({"endpoint": {"service_id": "${service}", "interface": "public", "url": "http://t/", "region_id": "Below"}})", "",
                  {{"endpoint", "endpoint.id"}}),
            admin("POST", "/v3/endpoints", 201, R"({"endpoint": {"service_id": "${service}", "interface": "internal", "url": "http://i/"}})", "",
                  {{"inner", "endpoint.id"}}),
        };
        cases.run(cases_);
    }
};

}  // namespace

TEST_CASE("endpoint filters shape a project's catalogue") {
    CatalogFixture f;
    const std::string groups = "/v3/OS-EP-FILTER/endpoint_groups", project = "/v3/OS-EP-FILTER/projects/${demo_project}";
    const Case cases[] = {
        as("member", "GET", "/v3/auth/catalog", 200, "", R"({"catalog": "<array>"})"),
        admin("GET", project + "/endpoints", 200, "", R"({"endpoints": []})"),
        admin("GET", project + "/endpoints/${endpoint}", 404),
        admin("HEAD", project + "/endpoints/${endpoint}", 404),
        admin("PUT", project + "/endpoints/${endpoint}", 204),
        admin("PUT", project + "/endpoints/${endpoint}", 409),
        admin("GET", project + "/endpoints/${endpoint}", 204),
        admin("GET", "/v3/OS-EP-FILTER/endpoints/${endpoint}/projects", 200, "", R"({"projects": [{"id": "${demo_project}"}]})"),
        as("member", "GET", "/v3/auth/catalog", 200, "", R"({"catalog": [{"id": "${service}", "endpoints": [{"id": "${endpoint}"}]}]})"),
        as("other", "GET", "/v3/auth/catalog", 200, "", R"({"catalog": {"<contains>": [{"type": "identity"}, {"type": "image"}]}})"),
        admin("PUT", project + "/endpoints/" + missing, 404),
        admin("PUT", "/v3/OS-EP-FILTER/projects/" + missing + "/endpoints/${endpoint}", 404),
        admin("DELETE", project + "/endpoints/${inner}", 404),
        admin("POST", groups, 400, R"({"endpoint_group": {"name": "g"}})"),
        admin("POST", groups, 400, R"({"endpoint_group": {"name": "g", "filters": {}}})"),
        admin("POST", groups, 400, R"({"endpoint_group": {"name": "g", "filters": {"color": "red"}}})"),
        admin("POST", groups, 400, R"({"endpoint_group": {"name": "", "filters": {"interface": "internal"}}})"),
        admin("POST", groups, 201,
              R"({"endpoint_group": {"name": "g", "description": "d", "filters": {"interface": "internal", "service_id": "${service}"}}})",
              R"({"endpoint_group": {"id": "<hex>", "name": "g", "description": "d", "filters": {"interface": "internal"},
                  "links": {"self": "<matches:.*/OS-EP-FILTER/endpoint_groups/.*>"}}})",
              {{"group", "endpoint_group.id"}}),
        admin("GET", groups + "?name=g", 200, "", R"({"endpoint_groups": [{"id": "${group}"}], "links": {"next": null}})"),
        admin("GET", groups + "/${group}/endpoints", 200, "", R"({"endpoints": [{"id": "${inner}"}]})"),
        admin("GET", groups + "/${group}/projects/${demo_project}", 404),
        admin("PUT", groups + "/${group}/projects/${demo_project}", 204),
        admin("PUT", groups + "/${group}/projects/${demo_project}", 409),
        admin("GET", groups + "/${group}/projects/${demo_project}", 200, "",
              R"({"project_endpoint_group": {"endpoint_group_id": "${group}", "project_id": "${demo_project}"}})"),
        admin("GET", groups + "/${group}/projects", 200, "", R"({"projects": [{"id": "${demo_project}"}]})"),
        admin("GET", project + "/endpoint_groups", 200, "", R"({"endpoint_groups": [{"id": "${group}"}]})"),
        admin("GET", project + "/endpoints", 200, "", R"({"endpoints": {"<contains>": [{"id": "${endpoint}"}, {"id": "${inner}"}]}})"),
        as("member", "GET", "/v3/auth/catalog", 200, "",
           R"({"catalog": [{"endpoints": {"<contains>": [{"id": "${endpoint}"}, {"id": "${inner}"}]}}]})"),
        admin("PATCH", groups + "/${group}", 400, R"({"endpoint_group": {"filters": {"url": "x"}}})"),
        admin("PATCH", groups + "/${group}", 200, R"({"endpoint_group": {"filters": {"region_id": "nowhere"}}})",
              R"({"endpoint_group": {"name": "g", "filters": {"region_id": "nowhere"}}})"),
        as("member", "GET", "/v3/auth/catalog", 200, "", R"({"catalog": [{"endpoints": [{"id": "${endpoint}"}]}]})"),
        admin("DELETE", groups + "/${group}/projects/${demo_project}", 204),
        admin("DELETE", groups + "/${group}/projects/${demo_project}", 404),
        admin("DELETE", groups + "/${group}", 204),
        admin("GET", groups + "/${group}", 404, "", R"({"error": {"message": "Could not find Endpoint Group: ${group}."}})"),
        // A filter goes with its endpoint.
        admin("DELETE", "/v3/endpoints/${endpoint}", 204),
        as("member", "GET", "/v3/auth/catalog", 200, "", R"({"catalog": {"<contains>": [{"type": "identity"}]}})"),
    };
    f.cases.run(cases);
}

TEST_CASE("policies and the endpoints they are for") {
    CatalogFixture f;
    const auto of = [](const std::string& rest) { return "/v3/policies/${policy}/OS-ENDPOINT-POLICY/" + rest; };
    const auto effective = [](std::string expect, int status = 200) {
        return admin("GET", "/v3/endpoints/${endpoint}/OS-ENDPOINT-POLICY/policy", status, "", std::move(expect));
    };
    const Case cases[] = {
        admin("POST", "/v3/policies", 400, R"({"policy": {"type": "application/json"}})"),
        admin("POST", "/v3/policies", 400, R"({"policy": {"type": 1, "blob": "x"}})"),
        admin("POST", "/v3/policies", 201, R"({"policy": {"type": "application/json", "blob": "{}", "color": "red"}})",
              R"({"policy": {"id": "<hex>", "type": "application/json", "blob": "{}", "color": "red"}})", {{"policy", "policy.id"}}),
        admin("POST", "/v3/policies", 201, R"({"policy": {"type": "text", "blob": "b"}})", "", {{"second", "policy.id"}}),
        admin("GET", "/v3/policies?type=text", 200, "", R"({"policies": [{"id": "${second}"}]})"),
        admin("PATCH", "/v3/policies/${policy}", 200, R"({"policy": {"blob": "{\"a\": 1}"}})",
              R"({"policy": {"blob": "{\"a\": 1}", "color": "red"}})"),
        effective(R"({"error": {"message": "No policy is associated with endpoint ${endpoint}."}})", 404),
        admin("GET", of("services/${service}"), 404, "", R"({"error": {"message": "Could not find policy association."}})"),
        admin("PUT", of("services/${service}"), 204),
        admin("GET", of("services/${service}"), 204),
        effective(R"({"policy": {"id": "${policy}"}})"),
        admin("GET", of("endpoints"), 200, "", R"({"endpoints": {"<contains>": [{"id": "${endpoint}"}, {"id": "${inner}"}]}})"),
        admin("PUT", "/v3/policies/${second}/OS-ENDPOINT-POLICY/services/${service}/regions/Above", 204),
        effective(R"({"policy": {"id": "${second}"}})"),  // a region above is nearer than the service alone
        admin("GET", "/v3/policies/${second}/OS-ENDPOINT-POLICY/endpoints", 200, "", R"({"endpoints": [{"id": "${endpoint}"}]})"),
        admin("PUT", of("endpoints/${endpoint}"), 204),
        effective(R"({"policy": {"id": "${policy}"}})"),
        admin("PUT", "/v3/policies/${second}/OS-ENDPOINT-POLICY/endpoints/${endpoint}", 204),  // one policy for each endpoint
        admin("GET", of("endpoints/${endpoint}"), 404),
        effective(R"({"policy": {"id": "${second}"}})"),
        admin("DELETE", "/v3/policies/${second}/OS-ENDPOINT-POLICY/endpoints/${endpoint}", 204),
        admin("DELETE", "/v3/policies/${second}/OS-ENDPOINT-POLICY/services/${service}/regions/Above", 204),
        effective(R"({"policy": {"id": "${policy}"}})"),
        admin("PUT", of("services/" + missing), 404),
        admin("PUT", of("services/${service}/regions/nowhere"), 404),
        admin("PUT", "/v3/policies/" + missing + "/OS-ENDPOINT-POLICY/services/${service}", 404),
        admin("DELETE", "/v3/policies/${policy}", 204),
        effective("", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("who may read and change policies, filters, limits and domain settings") {
    CatalogFixture f;
    const Case setup[] = {
        admin("POST", "/v3/registered_limits", 201,
              R"({"registered_limits": [{"service_id": "${service}", "resource_name": "cores", "default_limit": 10}]})", "",
              {{"registered", "registered_limits.0.id"}}),
        admin("POST", "/v3/limits", 201,
              R"({"limits": [{"project_id": "${demo_project}", "service_id": "${service}", "resource_name": "cores", "resource_limit": 5}]})", "",
              {{"limit", "limits.0.id"}}),
        admin("PUT", "/v3/domains/default/config", 201, R"({"config": {"ldap": {"url": "ldap://x"}}})"),
    };
    f.cases.run(setup);
    const Cases::Row rows[] = {
        {"GET", "/v3/policies", "", "none:401 member:403 system:200 admin:200"},
        {"GET", "/v3/policies/" + missing, "", "none:401 member:403 admin:404"},
        {"POST", "/v3/policies", R"({"policy": {"type": "t", "blob": "b"}})", "none:401 member:403 service:201"},
        {"GET", "/v3/OS-EP-FILTER/endpoint_groups", "", "none:401 reader:403 system:200"},
        {"GET", "/v3/OS-EP-FILTER/projects/${demo_project}/endpoints", "", "none:401 reader:403 system:200"},
        {"PUT", "/v3/OS-EP-FILTER/projects/" + missing + "/endpoints/${endpoint}", "", "none:401 member:403 system:404"},
        {"GET", "/v3/registered_limits", "", "none:401 reader:200 other:200"},
        {"GET", "/v3/limits/model", "", "none:401 reader:200"},
        {"GET", "/v3/limits/${limit}", "", "none:401 member:200 other:403 system:200"},
        {"PATCH", "/v3/limits/${limit}", R"({"limit": {"resource_limit": 6}})", "none:401 member:403 system:200"},
        {"POST", "/v3/registered_limits", R"({"registered_limits": [{"service_id": "${service}", "resource_name": "ram", "default_limit": 1}]})",
         "none:401 member:403 system:201"},
        {"GET", "/v3/domains/default/config", "", "none:401 member:403 system:200"},
        {"GET", "/v3/domains/default/config/security_compliance", "", "none:401 member:200"},
        {"DELETE", "/v3/domains/default/config", "", "none:401 member:403 system:204"},
    };
    f.cases.matrix(rows);
}

TEST_CASE("limits") {
    CatalogFixture f;
    const std::string registered = "/v3/registered_limits", limits = "/v3/limits";
    const Case cases[] = {
        admin("GET", "/v3/limits/model", 200, "", R"({"model": {"name": "flat", "description": "<text>"}})"),
        admin("POST", registered, 400, R"({"registered_limits": []})"),
        admin("POST", registered, 400, R"({"registered_limit": {"service_id": "${service}", "resource_name": "x", "default_limit": 1}})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": "${service}", "resource_name": "x"}]})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": "${service}", "resource_name": "x", "default_limit": "1"}]})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": "${service}", "resource_name": "x", "default_limit": -2}]})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": "${service}", "resource_name": "x", "default_limit": 2147483648}]})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": "${service}", "resource_name": "x", "default_limit": 1, "z": 1}]})"),
        admin("POST", registered, 400, R"({"registered_limits": [{"service_id": ")" + missing + R"(", "resource_name": "x", "default_limit": 1}]})"),
        admin("POST", registered, 400,
              R"({"registered_limits": [{"service_id": "${service}", "region_id": "no", "resource_name": "x", "default_limit": 1}]})"),
        admin("POST", registered, 409,
              R"({"registered_limits": [{"service_id": "${service}", "resource_name": "twice", "default_limit": 1},
                                        {"service_id": "${service}", "resource_name": "twice", "default_limit": 2}]})"),
        admin("GET", registered, 200, "", R"({"registered_limits": []})"),  // nothing of a refused list is there
        admin("POST", registered, 201,
              R"({"registered_limits": [{"service_id": "${service}", "resource_name": "cores", "default_limit": 10, "description": "c"},
                                        {"service_id": "${service}", "region_id": "Below", "resource_name": "cores", "default_limit": 20}]})",
              R"({"registered_limits": [{"id": "<hex>", "service_id": "${service}", "region_id": null, "resource_name": "cores", "default_limit": 10,
                  "description": "c"}, {"region_id": "Below", "default_limit": 20}]})",
              {{"cores", "registered_limits.0.id"}, {"cores_below", "registered_limits.1.id"}}),
        admin("GET", registered + "?region_id=Below", 200, "", R"({"registered_limits": [{"id": "${cores_below}"}]})"),
        admin("PATCH", registered + "/${cores_below}", 200, R"({"registered_limit": {"default_limit": 30}})",
              R"({"registered_limit": {"default_limit": 30, "resource_name": "cores"}})"),
        admin("PATCH", registered + "/${cores_below}", 409, R"({"registered_limit": {"region_id": null}})"),
        admin("POST", limits, 400, R"({"limits": [{"service_id": "${service}", "resource_name": "cores", "resource_limit": 1}]})"),
        admin("POST", limits, 400, R"({"limits": [{"project_id": "${demo_project}", "domain_id": "default", "service_id": "${service}",
                                                  "resource_name": "cores", "resource_limit": 1}]})"),
        admin("POST", limits, 403, R"({"limits": [{"project_id": "${demo_project}", "service_id": "${service}", "resource_name": "ram",
                                                  "resource_limit": 1}]})",
              R"({"error": {"message": "Unable to create a limit that has no corresponding registered limit."}})"),
        admin("POST", limits, 201, R"({"limits": [{"project_id": "${demo_project}", "service_id": "${service}", "resource_name": "cores",
                                                  "resource_limit": 5, "description": "mine"}]})",
              R"({"limits": [{"id": "<hex>", "project_id": "${demo_project}", "domain_id": null, "service_id": "${service}", "region_id": null,
                  "resource_name": "cores", "resource_limit": 5, "description": "mine", "registered_limit_id": "<absent>"}]})",
              {{"limit", "limits.0.id"}}),
        admin("POST", limits, 409, R"({"limits": [{"project_id": "${demo_project}", "service_id": "${service}", "resource_name": "cores",
                                                  "resource_limit": 6}]})"),
        admin("PATCH", registered + "/${cores}", 403, R"({"registered_limit": {"default_limit": 30}})"),
        admin("DELETE", registered + "/${cores}", 403),
        admin("PATCH", limits + "/${limit}", 400, R"({"limit": {"project_id": "x"}})"),
        admin("PATCH", limits + "/${limit}", 200, R"({"limit": {"resource_limit": 0}})",
              R"({"limit": {"resource_limit": 0, "description": "mine"}})"),
        as("member", "GET", limits, 200, "", R"({"limits": [{"id": "${limit}"}]})"),
        as("other", "GET", limits, 200, "", R"({"limits": []})"),
        as("system", "GET", limits + "?resource_name=cores", 200, "", R"({"limits": [{"id": "${limit}"}]})"),
        as("system", "GET", limits + "?project_id=" + missing, 200, "", R"({"limits": []})"),
        admin("DELETE", limits + "/${limit}", 204),
        admin("GET", limits + "/${limit}", 404, "", R"({"error": {"message": "Could not find limit for ${limit}."}})"),
        admin("DELETE", registered + "/${cores}", 204),
        admin("GET", registered + "/${cores}", 404),
    };
    f.cases.run(cases);
}

TEST_CASE("limits of two levels: a domain's bounds those of its projects") {
    CatalogFixture f;
    f.app.options.strict_limits = true;
    const auto limit = [](const std::string& owner, int n) {
        return R"({"limits": [{)" + owner + R"(, "service_id": "${service}", "resource_name": "cores", "resource_limit": )" + std::to_string(n) +
               "}]}";
    };
    const std::string project = R"("project_id": "${demo_project}")", domain = R"("domain_id": "default")";
    const Case cases[] = {
        admin("GET", "/v3/limits/model", 200, "", R"({"model": {"name": "strict_two_level"}})"),
        admin("POST", "/v3/registered_limits", 201,
              R"({"registered_limits": [{"service_id": "${service}", "resource_name": "cores", "default_limit": 10}]})"),
        admin("POST", "/v3/limits", 403, limit(project, 11)),  // above the domain's default
        admin("POST", "/v3/limits", 201,
              R"({"limits": [{"project_id": "${demo_project}", "service_id": "${service}", "resource_name": "cores", "resource_limit": 15},
                             {"domain_id": "default", "service_id": "${service}", "resource_name": "cores", "resource_limit": 20}]})",
              "", {{"of_project", "limits.0.id"}, {"of_domain", "limits.1.id"}}),
        admin("PATCH", "/v3/limits/${of_project}", 403, R"({"limit": {"resource_limit": 21}})"),
        admin("PATCH", "/v3/limits/${of_domain}", 403, R"({"limit": {"resource_limit": 14}})"),
        admin("PATCH", "/v3/limits/${of_project}", 200, R"({"limit": {"resource_limit": 20}})"),
        admin("POST", "/v3/limits", 409, limit(domain, 30)),
        admin("POST", "/v3/projects", 201, R"({"project": {"name": "second", "parent_id": "${demo_project}"}})", "", {{"second", "project.id"}}),
        admin("POST", "/v3/projects", 403, R"({"project": {"name": "third", "parent_id": "${second}"}})"),
    };
    f.cases.run(cases);
}

TEST_CASE("settings of a domain") {
    IdentityFixture f;
    const std::string config = "/v3/domains/${d}/config";
    const Case cases[] = {
        admin("POST", "/v3/domains", 201, R"({"domain": {"name": "d"}})", "", {{"d", "domain.id"}}),
        admin("GET", config, 404, "", R"({"error": {"message": "Could not find any options in domain configuration for domain ${d}."}})"),
        admin("PUT", config, 403, R"({"config": {}})"),
        admin("PUT", config, 403, R"({"config": {"ldap": {}}})"),
        admin("PUT", config, 403, R"({"config": {"ldap": "x"}})"),
        admin(
            "PUT", config, 403, R"({"config": {"memcache": {"servers": "x"}}})",
            R"({"error": {"message": "Invalid domain specific configuration: Group memcache is not supported for domain specific configurations."}})"),
        admin("PUT", config, 403, R"({"config": {"ldap": {"color": "x"}}})"),
        admin("PUT", config, 400, R"({"config": 1})"),
        admin("PUT", "/v3/domains/" + missing + "/config", 404, R"({"config": {"ldap": {"url": "x"}}})"),
        admin("PUT", config, 201,
              R"({"config": {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x/%(password)s", "password": "hush", "page_size": 5}}})",
              R"({"config": {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x/%(password)s", "page_size": 5, "password": "<absent>"}}})"),
        admin("GET", config, 200, "", R"({"config": {"ldap": {"password": "<absent>"}}})"),
        admin("GET", config + "/identity", 200, "", R"({"config": {"identity": {"driver": "ldap"}}})"),
        admin("GET", config + "/ldap/url", 200, "", R"({"config": {"url": "ldap://x/%(password)s"}})"),
        admin("GET", config + "/ldap/password", 404),
        admin("GET", config + "/ldap/suffix", 404),
        admin("GET", config + "/ldap/color", 403),
        admin("PATCH", config, 200, R"({"config": {"ldap": {"suffix": "dc=x"}}})", R"({"config": {"ldap": {"suffix": "dc=x", "page_size": 5}}})"),
        admin("PATCH", config + "/ldap", 403, R"({"config": {"identity": {"driver": "sql"}}})"),
        admin("PATCH", config + "/ldap/url", 200, R"({"config": {"url": "ldap://y"}})", R"({"config": {"ldap": {"url": "ldap://y"}}})"),
        admin("PATCH", config + "/ldap/url", 403, R"({"config": {"suffix": "dc=z"}})"),
        admin("PATCH", config + "/ldap/user", 404, R"({"config": {"user": "u"}})"),
        admin("DELETE", config + "/ldap/url", 204),
        admin("DELETE", config + "/ldap/url", 404),
        admin("DELETE", config + "/identity", 204),
        admin("PUT", config, 200, R"({"config": {"identity": {"list_limit": 7}}})",
              R"({"config": {"identity": {"list_limit": 7}, "ldap": "<absent>"}})"),
        admin("DELETE", config, 204),
        admin("GET", config, 404),
        admin("GET", "/v3/domains/config/default", 200, "", R"({"config": {"identity": {"driver": "sql"}, "ldap": {"url": "ldap://localhost"}}})"),
        admin("GET", "/v3/domains/config/ldap/default", 200, "", R"({"config": {"ldap": {"page_size": 0, "password": "<absent>"}}})"),
        admin("GET", "/v3/domains/config/ldap/page_size/default", 200, "", R"({"config": {"page_size": 0}})"),
        admin("GET", "/v3/domains/config/ldap/password/default", 403),
        admin("GET", "/v3/domains/config/color/default", 403),
        admin("GET", "/v3/domains/default/config/security_compliance", 200, "",
              R"({"config": {"security_compliance": {"password_regex": null, "password_regex_description": null}}})"),
        admin("GET", "/v3/domains/default/config/security_compliance/lockout_duration", 403),
        admin("GET", "/v3/domains/${d}/config/security_compliance", 403),
    };
    f.cases.run(cases);
}

TEST_CASE("a domain's password is sealed at rest") {
    IdentityFixture f;
    const Case c = admin("PUT", "/v3/domains/default/config", 201, R"({"config": {"ldap": {"user": "cn=%(password)s", "password": "hush"}}})");
    f.cases.run(c);
    f.store->read([&](Tx& tx) {
        CHECK(tx.scalar("SELECT value FROM domain_options WHERE option_name = 'password'").text().find("hush") == std::string::npos);
        const json::object config = identity::domain_configuration(f.app, tx, "default");
        CHECK(config == json::object{{"ldap", {{"password", "hush"}, {"user", "cn=hush"}}}});
    });
}

TEST_CASE("the home document names what there is") {
    IdentityFixture f;
    const std::string rel = "https://docs.openstack.org/api/openstack-identity/3/rel/",
                      ext = "https://docs.openstack.org/api/openstack-identity/3/ext/";
    for (const auto& [path, prefix] : {std::pair<std::string, std::string>("/", "/v3"), {"/v3", ""}}) {
        const auto response = f.cases.run(
            {.path = path, .headers = {{"Accept", "application/json-home"}}, .answer_headers = {{"Content-Type", "application/json-home"}}});
        const json::value home = parse_json(response.body);
        const json::object& resources = home.at("resources").as_object();
        CHECK(resources.size() > 100);
        CHECK(resources.at(rel + "users") == json::object{{"href", prefix + "/users"}});
        CHECK(resources.at(rel + "implied_role").at("href-vars").at("prior_role_id") ==
              "https://docs.openstack.org/api/openstack-identity/3/param/role_id");
        CHECK(resources.at(ext + "OS-TRUST/1.0/rel/trust").at("href-template") == json::value(prefix + "/OS-TRUST/trusts/{trust_id}"));
        CHECK(resources.at(rel + "limits").at("hints") == json::object{{"status", "experimental"}});
        // Everything in it is served: a path that is not would be 404 whatever the method.
        for (const auto& resource : resources) {
            const json::object& where = resource.value().get_object();
            std::string at = str((where.contains("href") ? where.at("href") : where.at("href-template")).as_string());
            if (prefix.empty()) at = "/v3" + at;
            for (std::size_t open = at.find('{'); open != at.npos; open = at.find('{')) at.replace(open, at.find('}') - open + 1, "x");
            f.cases.run({.method = "TRACE", .path = at, .token = "${admin_token}", .status = 405});
        }
    }
    f.cases.run({.path = "/v3", .expect = R"({"version": {"id": "v3.14"}})"});
}
