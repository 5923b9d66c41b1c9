#include "drivers/fake.h"

#include <filesystem>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"

namespace pilvi::compute_agent {
namespace {

class Fake final : public Hypervisor {
public:
    explicit Fake(FakeOptions options) : options_(std::move(options)) { load(); }

    HypervisorFacts facts() override {
        return {.type = "fake",
                .version = 1000,
                .arch = "x86_64",
                .cpu_model = "Nehalem",
                .cpu_vendor = "Intel",
                .cells = 1,
                .sockets = 1,
                .cores = options_.vcpus,
                .threads = 1,
                .cpu_features = {},
                .vcpus = options_.vcpus,
                .memory_mib = options_.memory_mib};
    }

    std::vector<DomainInfo> list() override {
        const std::lock_guard lock(mutex_);
        std::vector<DomainInfo> out;
        for (const auto& [id, domain] : domains_) out.push_back(domain);
        return out;
    }

    DomainInfo look(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const auto at = domains_.find(id);
        if (at != domains_.end()) return at->second;
        DomainInfo none;
        none.id = id;
        return none;
    }

    bool knows(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        return domains_.contains(id);
    }

    void start_paused(const DomainSpec& spec) override {
        if (options_.start_delay.count() > 0) std::this_thread::sleep_for(options_.start_delay);
        const std::lock_guard lock(mutex_);
        DomainInfo& domain = domains_[spec.id];
        domain.id = spec.id;
        domain.name = spec.name;
        if (domain.power == Power::absent || domain.power == Power::shutoff) {
            domain.power = Power::paused;
            domain.run = ++runs_;
            domain.vnc_port = 5900 + static_cast<int>(runs_ % 1000);
        }
        if (!spec.console_log.empty() && std::filesystem::exists(std::filesystem::path(spec.console_log).parent_path()))
            write_file(spec.console_log, "Fake guest " + spec.name + " (" + spec.id + ")\nAnother fake console line\nlogin: \n", 0600);
        save();
    }

    void resume(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const auto at = domains_.find(id);
        if (at == domains_.end() || at->second.run < 0) throw Error(Errc::not_found, "the domain is gone");
        at->second.power = Power::running;
        save();
    }

    void attach_port(const DomainSpec&, const PortSpec&) override {}
    void detach_port(const std::string&, const std::string&) override {}

    void ask_shutdown(const std::string& id) override { destroy(id); }

    void destroy(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const auto at = domains_.find(id);
        if (at == domains_.end()) return;
        at->second.power = Power::shutoff;
        at->second.run = -1;
        at->second.vnc_port = 0;
        save();
    }

    void remove(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        if (domains_.erase(id) > 0) save();
    }

    bool needs_storage() const override { return false; }
    void on_event(std::function<void()>) override {}

private:
    void load() {
        if (options_.state_file.empty() || !std::filesystem::exists(options_.state_file)) return;
        const json::value state = parse_json(read_file(options_.state_file));
        for (const json::value& item : array_or_empty(state.as_object(), "domains")) {
            const json::object& o = item.as_object();
            DomainInfo domain{.id = string_or(o, "id"),
                              .name = string_or(o, "name"),
                              .power = static_cast<Power>(integer_or(o, "power")),
                              .run = integer_or(o, "run", -1),
                              .vnc_port = static_cast<int>(integer_or(o, "vnc_port"))};
            runs_ = std::max(runs_, domain.run);
            domains_[domain.id] = std::move(domain);
        }
    }

    void save() {
        if (options_.state_file.empty()) return;
        json::array domains;
        for (const auto& [id, d] : domains_)
            domains.push_back(
                json::object{{"id", id}, {"name", d.name}, {"power", static_cast<int>(d.power)}, {"run", d.run}, {"vnc_port", d.vnc_port}});
        write_file(options_.state_file, to_text(json::object{{"domains", std::move(domains)}}), 0600);
    }

    const FakeOptions options_;
    std::mutex mutex_;
    std::map<std::string, DomainInfo> domains_;
    std::int64_t runs_ = 0;
};

}  // namespace

std::unique_ptr<Hypervisor> make_fake(FakeOptions options) { return std::make_unique<Fake>(std::move(options)); }

}  // namespace pilvi::compute_agent
