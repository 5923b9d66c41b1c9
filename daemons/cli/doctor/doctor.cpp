#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "commands.h"
#include "config/config.h"
#include "doctor/judge.h"
#include "node/membership.h"

namespace pilvi::cli {
namespace {

std::string node_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

// The node first: what is on it now has a row, unless it is being deleted at this moment. Without a session the node alone is looked at.
std::vector<Finding> look(const Access& access, Session* session) {
    SystemCommandRunner runner;
    NodePlaces places;
    places.state = access.state;
    const NodeView node = look_at_node(runner, places);
    const CloudView cloud = session ? look_at_cloud(*session) : CloudView{};
    std::vector<Finding> findings = judge(node, cloud, node_name());
    std::sort(findings.begin(), findings.end());
    return findings;
}

json::object as_json(const std::vector<Finding>& findings) {
    json::array list;
    std::int64_t leaks = 0;
    for (const Finding& f : findings) {
        if (f.leak) ++leaks;
        list.push_back(json::object{{"kind", f.kind}, {"leak", f.leak}, {"object", f.object}, {"message", f.message}, {"remedy", f.remedy}});
    }
    return {{"leaks", leaks}, {"problems", static_cast<std::int64_t>(findings.size()) - leaks}, {"findings", std::move(list)}};
}

void print(const std::vector<Finding>& findings) {
    for (const Finding& f : findings)
        std::printf("%-8s %s %s: %s\n         -> %s\n", f.leak ? "leak" : "problem", f.kind.c_str(), f.object.c_str(), f.message.c_str(),
                    f.remedy.c_str());
    const auto leaks = std::count_if(findings.begin(), findings.end(), [](const Finding& f) { return f.leak; });
    std::printf("%td leaks, %td problems\n", leaks, static_cast<std::ptrdiff_t>(findings.size()) - leaks);
}

}  // namespace

int doctor(const Access& access, const DoctorOptions& options) {
    // A node that joined has no password to ask the APIs with.
    std::optional<Session> session;
    if (!read_membership({.node = access.state + "/node"})) session.emplace(admin_session(access.auth_url, access.credentials, access.configuration));
    else std::fputs("pilvi: this node alone is looked at; what the APIs know is compared on the controller\n", stderr);
    const auto at_once = [&] { return look(access, session ? &*session : nullptr); };
    std::vector<Finding> findings = at_once();
    if (!findings.empty()) {
        // What is made or torn down at this moment looks wrong for an instant: only what stays is told.
        std::this_thread::sleep_for(std::chrono::milliseconds(1500));
        const std::vector<Finding> again = at_once();
        std::vector<Finding> both;
        std::set_intersection(findings.begin(), findings.end(), again.begin(), again.end(), std::back_inserter(both));
        findings = std::move(both);
    }
    if (options.json) std::puts(to_text(as_json(findings)).c_str());
    else print(findings);
    return findings.empty() ? 0 : 1;
}

}  // namespace pilvi::cli
