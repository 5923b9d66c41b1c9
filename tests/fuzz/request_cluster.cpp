// Requests to the cluster's authority: joining by token, asking to join, renewing, what the operator asks. "X-Pilvi-Listener: admin" makes one the operator's.
#include "requests.h"

#include "cluster/handler.h"
#include "pilvi_cluster_schema.h"
#include "support/temp_dir.h"

namespace {
using namespace pilvi;

// As it stands between the quotes of a JSON text.
std::string in_json(const std::string& text) {
    std::string out;
    append_quoted(out, text);
    return out.substr(1, out.size() - 2);
}

struct Cluster final : fuzz::Subject {
    static constexpr Micros now = 1'800'000'000'000'000;
    testing::MemoryDir directory;
    std::unique_ptr<Store> store = Store::open("sqlite:" + (directory / "test.sqlite"), cluster::migrations());
    cluster::Authority authority{*store, [] { return now; }};
    metrics::Registry metrics;
    cluster::Waiting waiting{[] { return now; }};
    cluster::Handler handler{authority, waiting, metrics, "RegionOne", [] {}};

    Cluster() {
        authority.advance();
        const pki::Key key = pki::Key::generate();
        const std::string request = pki::make_request(key);
        const cluster::Membership member = authority.join({.token = secret(), .name = "node1", .request = request});
        names["token"] = secret();
        names["request"] = in_json(request);
        names["certificate"] = in_json(member.certificate);
        names["signature"] = base64_encode(key.sign(request));
        names["node"] = member.id;
        const pki::Key applicant = pki::Key::generate();
        waiting.open(*Cidr::parse("127.0.0.0/8"), 600'000'000);
        waiting.ask({.name = "node3", .mac = "fa:16:3e:00:00:01", .address = "127.0.0.1", .key = applicant.fingerprint()});
        names["applicant"] = cluster::short_fingerprint(applicant.fingerprint());
        names["other"] = in_json(pki::make_request(applicant));
        tls = true;
    }
    std::string secret() {
        const std::string text = authority.make_token({"compute", "network"}, 3'600'000'000).text;
        return text.substr(text.rfind('.') + 1);
    }
    http::Handler& service() override { return handler; }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::unique_ptr<fuzz::Subject> subject;
    fuzz::ask(subject, [] { return std::make_unique<Cluster>(); }, {reinterpret_cast<const char*>(data), size});
    return 0;
}
