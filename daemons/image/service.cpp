#include <set>

#include "base/error.h"
#include "base/text.h"
#include "image.h"
#include "model.h"
#include "rules.h"
#include "log/log.h"

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
    {"publicize_image", rules::admin, "Make an image visible to all projects"},
    {"communitize_image", rules::member, "Let all projects use an image whose id they know"},
};

constexpr auto all_settings = with_identity_settings(
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
        {"fetch.schemes", SettingKind::list, "http,https", "Schemes of URLs that are fetched for users: web-download and http stores."},
        {"fetch.ports", SettingKind::list, "80,443", "Ports of such URLs; empty for any."},
        {"fetch.hosts", SettingKind::list, "", "The only hosts that are fetched from; empty for any."},
        {"fetch.refused_hosts", SettingKind::list, "", "Hosts that nothing is fetched from."},
        {"fetch.networks", SettingKind::list, "", "Networks in CIDR form that may be fetched from although they are private or the cloud's own."},
        {"fetch.ca", SettingKind::text, "", "PEM file of the authorities that web servers are trusted by; empty for the system's."},
        {"policy.file", SettingKind::text, "", "policy.yaml with overrides of the default policy; empty for none."},
    });
}  // namespace

const std::span<const Setting> settings = all_settings;

std::unique_ptr<api::Service> make_service(Store& store, Authenticator& authenticator, metrics::Registry& metrics, App& app) {
    api::ServiceSpec spec{.style = style,
                          .resources = {},
                          .routes = {document_routes, list_routes, image_routes, data_routes, action_routes, member_routes, tag_routes,
                                     metadef_routes, metadef_content_routes},
                          .rules = {rules_beside_routes}};
    return std::make_unique<api::Service>(std::move(spec), store, authenticator, metrics, &app);
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

void recover(Store& store, const Stores& stores) {
    const std::int64_t reset =
        store.write([](Tx& tx) { return tx.exec("UPDATE images SET status = 'queued', size = NULL, virtual_size = NULL WHERE status = 'saving'"); });
    std::set<std::string> known;
    store.read([&](Tx& tx) {
        for (const Row& row : tx.query("SELECT id FROM images WHERE status = 'active' OR status = 'deactivated'"))
            known.insert(stores.preferred().store->location_of(row.at(0).text()));
    });
    const std::size_t removed = stores.preferred().store->remove_orphans(known);
    if (reset > 0 || removed > 0)
        log::notice("after an unclean end: " + std::to_string(reset) + " images are queued again, " + std::to_string(removed) + " files are removed");
}

}  // namespace pilvi::image
