// pilvi-cluster: who belongs to this cluster. Wiring only.
#include <unistd.h>

#include "handler.h"
#include "keeper.h"
#include "pilvi_cluster_schema.h"
#include "service/service.h"

namespace {

using namespace pilvi;
using enum SettingKind;

constexpr Setting settings[] = {
    {"listen.port", integer, "8771", "TCP port, for nodes that join and renew.", 0, 65535},
    {"database.url", text, "sqlite:/var/lib/pilvi/cluster/cluster.sqlite",
     "sqlite:/PATH, or postgresql://USER@HOST/DATABASE. It holds the authority's key."},
    {"admin.socket", text, "/run/pilvi/cluster/admin.sock", "Where the operator's command speaks to this daemon; only its user and root may."},
    {"cluster.host", text, "", "This controller's name; empty: the host name."},
    {"cluster.region", text, "RegionOne", "Region of the cloud, told to nodes that join."},
    {"certificate.life", seconds, "7776000", "A node's certificate is good for so long; it renews itself after a third of that.", 3600, 315360000},
    {"authority.life", seconds, "315360000",
     "The authority's own; a new one follows after a third of that and both are trusted until the old one ends.", 86400, 3153600000},
    {"renewal.grace", seconds, "315360000", "A node that was away may renew a certificate that ended up to so long ago.", 0, 3153600000},
};

Micros micros(std::chrono::milliseconds time) { return time.count() * 1000; }

std::string host_of(const Config& config) {
    if (!config.text("cluster.host").empty()) return config.text("cluster.host");
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

void run(Daemon& daemon) {
    const Config& config = daemon.config();
    const auto store =
        slow_start("bringing the database to its schema", [&] { return Store::open(config.text("database.url"), cluster::migrations()); });
    cluster::Authority authority(*store, &now_micros,
                                 {.certificate = micros(config.seconds("certificate.life")),
                                  .authority = micros(config.seconds("authority.life")),
                                  .renewal_grace = micros(config.seconds("renewal.grace"))});
    cluster::Keeper keeper(authority, &now_micros,
                           {.host = host_of(config), .identity = config.text("node.identity"), .trust = config.text("node.trust")});
    // What was removed is not trusted any more when the operator reads the answer.
    cluster::Waiting waiting(&now_micros);
    cluster::Handler handler(authority, waiting, daemon.metrics(), config.text("cluster.region"), [&keeper] { keeper.keep(); });
    http::Server& server = daemon.serve(handler);
    server.listen_unix(config.text("admin.socket"), 0600, std::string(cluster::Handler::admin));
    keeper.start();
    daemon.run({}, [&keeper] { keeper.wake(); });
}

}  // namespace

int main(int argc, char** argv) {
    const DaemonSpec spec{.name = "cluster", .description = "members of the cluster: join tokens, certificates, revocation", .settings = settings};
    return daemon_main(argc, argv, spec, run);
}
