#include "base/error.h"
#include "base/text.h"
#include "image.h"
#include "importer.h"
#include "rules.h"

namespace pilvi::image {
namespace {
constexpr api::ServiceStyle style{
    .dialect = api::Dialect::image,
    .service_type = "image",
    .unknown = api::Unknown::keep,
    .wrapped = false,
    .trailing_slash = false,
    .update_method = "PATCH",
};

constexpr api::PolicyRule rules_beside_routes[] = {
    {"metadef_admin", rules::admin, "Change metadata definitions"},
    {"get_image_location", rules::reader, "See where the data of an image is"},
    {"set_image_location", rules::member, "Say where the data of an image is"},
    {"delete_image_location", rules::admin, "Remove one copy of the data of an image"},
    {"copy_image", rules::admin, "Copy the data of an image to other stores"},
    {"publicize_image", rules::admin, "Make an image visible to all projects"},
    {"communitize_image", rules::member, "Let all projects use an image whose id they know"},
};

constexpr auto all_settings = with_api_settings(
    "glance",
    {
        {"listen.port", SettingKind::integer, "9292", "TCP port of the Image API.", 0, 65535},
        {"database.url", SettingKind::text, "sqlite:/var/lib/pilvi/image/image.sqlite", "Database: sqlite:PATH or postgresql://..."},
        {"store.enabled", SettingKind::list, "local=file:/var/lib/pilvi/image/store",
         "Stores of image data, each NAME=URL: file:/DIRECTORY, or http: for data that lies on web servers (read-only)."},
        {"store.default", SettingKind::text, "", "Name of the store that takes data which asks for none; empty for the first."},
        {"store.sync", SettingKind::boolean, "true", "Sync an upload to the disk before the image becomes active."},
        {"store.size_cap", SettingKind::integer, "1099511627776", "Greatest size of one image in bytes.", 1},
        {"store.need_signature", SettingKind::boolean, "false",
         "Refuse data without the signature of its declared disk format. Data of another or an unsafe format is refused in any case."},
        {"store.show_locations", SettingKind::boolean, "false",
         "Show where the data of images is, and let callers set it (Glance's show_multiple_locations)."},
        {"store.show_direct_url", SettingKind::boolean, "false", "Show the first location of an image as its direct_url."},
        {"quota.enabled", SettingKind::boolean, "false",
         "Hold projects to the registered limits image_size_total, image_stage_total, image_count_total, image_count_uploading."},
        {"import.methods", SettingKind::list, "glance-direct,web-download,copy-image",
         "Ways of import that are offered, of glance-direct, web-download, copy-image and, between regions of one identity service, "
         "glance-download."},
        {"import.copied_properties", SettingKind::list, "hw_,trait:,os_distro,os_secure_boot,os_type",
         "glance-download: properties of the other image whose names begin so are taken over."},
        {"import.staging", SettingKind::text, "/var/lib/pilvi/image/staging", "Directory of data that waits for its import."},
        {"import.workers", SettingKind::integer, "2", "Imports at a time.", 1, 64},
        {"import.decompress", SettingKind::boolean, "false", "Unpack gzip of images whose container format is compressed."},
        {"import.convert", SettingKind::text, "", "Disk format that imported images are converted to: qcow2, raw or vmdk; empty for none."},
        {"import.inject", SettingKind::list, "", "Properties that imported images get, each NAME=VALUE."},
        {"import.inject_ignored_roles", SettingKind::list, "admin", "Imports by these roles get no such properties."},
        {"property_protection.file", SettingKind::text, "",
         "File that says who may use which properties of images, in Glance's form; empty for none."},
        {"property_protection.format", SettingKind::text, "roles", "What that file names: roles, or rules of the policy (policies)."},
        {"cache.directory", SettingKind::text, "", "Directory of copies of images whose stores are far away; empty for no cache."},
        {"cache.size", SettingKind::integer, "10737418240", "Bytes of all copies.", 1},
        {"fetch.schemes", SettingKind::list, "http,https", "Schemes of URLs that are fetched for users: web-download and http stores."},
        {"fetch.ports", SettingKind::list, "80,443", "Ports of such URLs; empty for any."},
        {"fetch.hosts", SettingKind::list, "", "The only hosts that are fetched from; empty for any."},
        {"fetch.refused_hosts", SettingKind::list, "", "Hosts that nothing is fetched from."},
        {"fetch.networks", SettingKind::list, "", "Networks in CIDR form that may be fetched from although they are private or the cloud's own."},
        {"fetch.ca", SettingKind::text, "", "PEM file of the authorities that web servers are trusted by; empty for the system's."},
    });
}  // namespace

const std::span<const Setting> settings = all_settings;

namespace {
// Every operation of the Image API is for tokens of a project. Source: Image API policy reference.
std::vector<api::Route> all_routes() {
    std::vector<api::Route> all;
    for (const auto& routes : {document_routes, list_routes, image_routes, data_routes, action_routes, member_routes, tag_routes, metadef_routes,
                               metadef_content_routes, import_routes, task_routes, v1_routes, cache_routes})
        for (api::Route route : routes) {
            route.scopes = api::project_scope;
            all.push_back(route);
        }
    return all;
}
}  // namespace

api::ServiceSpec service_spec() {
    static const std::vector<api::Route> routes = all_routes();
    return {.style = style, .resources = {}, .routes = {routes}, .rules = {rules_beside_routes}};
}

std::unique_ptr<api::Service> make_service(Store& store, Authenticator& authenticator, metrics::Registry& metrics, App& app) {
    return std::make_unique<api::Service>(service_spec(), store, authenticator, metrics, &app);
}

Stores configured_stores(const Config& config) {
    return Stores(config.list("store.enabled"), config.text("store.default"), {.sync = config.boolean("store.sync"), .fetch = fetch_rules(config)});
}

std::unique_ptr<ImageStore> configured_staging(const Config& config) {
    return make_file_store(config.text("import.staging"), {.sync = config.boolean("store.sync")});
}

ImportOptions import_options(const Config& config) {
    ImportOptions options{.methods = config.list("import.methods"),
                          .workers = static_cast<int>(config.integer("import.workers")),
                          .decompress = config.boolean("import.decompress"),
                          .convert = config.text("import.convert"),
                          .inject = {},
                          .inject_ignored_roles = config.list("import.inject_ignored_roles"),
                          .copied = config.list("import.copied_properties"),
                          .identity_url = config.text("identity.url")};
    for (const std::string& method : options.methods)
        if (method != "glance-direct" && method != "web-download" && method != "copy-image" && method != "glance-download")
            throw Error(Errc::bad_request, "import.methods: there is no method '" + method + "'");
    if (const std::string& to = options.convert; !to.empty() && to != "qcow2" && to != "raw" && to != "vmdk")
        throw Error(Errc::bad_request, "import.convert: nothing is converted to '" + to + "'");
    for (const std::string& property : config.list("import.inject")) {
        const std::size_t equals = property.find('=');
        if (equals == std::string::npos || equals == 0) throw Error(Errc::bad_request, "import.inject: '" + property + "' is not NAME=VALUE");
        options.inject.emplace_back(property.substr(0, equals), property.substr(equals + 1));
    }
    return options;
}

FetchRules fetch_rules(const Config& config) {
    FetchRules rules{.schemes = config.list("fetch.schemes"), .ports = {}, .ca_file = config.text("fetch.ca")};
    for (const std::string& port : config.list("fetch.ports")) {
        const auto number = parse_integer(port);
        if (!number || *number < 1 || *number > 65535) throw Error(Errc::bad_request, "fetch.ports: '" + port + "' is no port");
        rules.ports.push_back(static_cast<int>(*number));
    }
    for (const std::string& host : config.list("fetch.hosts")) rules.hosts.push_back(lower(host));
    for (const std::string& host : config.list("fetch.refused_hosts")) rules.refused_hosts.push_back(lower(host));
    for (const std::string& network : config.list("fetch.networks")) {
        const auto cidr = Cidr::parse(network);
        if (!cidr) throw Error(Errc::bad_request, "fetch.networks: '" + network + "' is no network");
        rules.networks.push_back(*cidr);
    }
    return rules;
}

}  // namespace pilvi::image
