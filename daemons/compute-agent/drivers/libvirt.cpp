#include "drivers/libvirt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "drivers/domain_xml.h"

namespace pilvi::compute_agent {
namespace {

struct DomainFree {
    void operator()(virDomain* d) const { virDomainFree(d); }
};
using Domain = std::unique_ptr<virDomain, DomainFree>;
struct ConnectClose {
    void operator()(virConnect* c) const { virConnectClose(c); }
};
using Connection = std::unique_ptr<virConnect, ConnectClose>;

struct CFree {
    void operator()(char* text) const { std::free(text); }
};
using CText = std::unique_ptr<char, CFree>;

[[noreturn]] void fail(const std::string& what) {
    const virError* error = virGetLastError();
    const bool lost = error && (error->domain == VIR_FROM_RPC || error->code == VIR_ERR_INVALID_CONN || error->code == VIR_ERR_OPERATION_TIMEOUT);
    throw Error(lost ? Errc::unavailable : Errc::internal, what + ": " + (error && error->message ? error->message : "unknown error"));
}

// The text between `<tag ...>` and `</tag>` of the first such element after `from`; "" where there is none. For libvirt's own documents only.
std::string element(std::string_view xml, std::string_view tag, std::size_t from = 0) {
    const std::size_t open = xml.find("<" + std::string(tag) + ">", from);
    if (open == std::string_view::npos) return {};
    const std::size_t start = open + tag.size() + 2;
    const std::size_t end = xml.find("</" + std::string(tag) + ">", start);
    return end == std::string_view::npos ? std::string{} : std::string(xml.substr(start, end - start));
}

std::string attribute(std::string_view xml, std::string_view element_start, std::string_view name) {
    const std::size_t open = xml.find(element_start);
    if (open == std::string_view::npos) return {};
    const std::string_view tag = xml.substr(open, xml.find('>', open) - open);
    const std::size_t at = tag.find(" " + std::string(name) + "='");
    if (at == std::string_view::npos) return {};
    const std::size_t start = at + name.size() + 3;
    return std::string(tag.substr(start, tag.find('\'', start) - start));
}

// Every value of the attribute, in order.
std::vector<std::string> values(std::string_view xml, std::string_view name) {
    std::vector<std::string> out;
    const std::string start = std::string(name) + "='";
    for (std::size_t at = xml.find(start); at != std::string_view::npos; at = xml.find(start, at)) {
        at += start.size();
        out.emplace_back(xml.substr(at, xml.find('\'', at) - at));
    }
    return out;
}

// The <interface> of a port in a domain's document; "" where there is none.
std::string interface_of(std::string_view xml, std::string_view port_id) {
    constexpr std::string_view close = "</interface>";
    for (std::size_t at = xml.find("<interface "); at != std::string_view::npos; at = xml.find("<interface ", at + 1)) {
        const std::string_view one = xml.substr(at, xml.find(close, at) + close.size() - at);
        const std::vector<std::string> ids = values(one, "interfaceid");
        if (ids.size() == 1 && ids[0] == port_id) return std::string(one);
    }
    return {};
}

std::vector<std::string> cpu_features(std::string_view capabilities) {
    std::vector<std::string> names;
    const std::string_view host = capabilities.substr(0, capabilities.find("</host>"));
    const std::string_view cpu = host.substr(0, host.find("</cpu>"));
    for (std::size_t at = cpu.find("<feature name='"); at != std::string_view::npos; at = cpu.find("<feature name='", at + 1)) {
        const std::size_t start = at + 15;
        names.emplace_back(cpu.substr(start, cpu.find('\'', start) - start));
    }
    return names;
}

class Libvirt final : public Hypervisor {
public:
    explicit Libvirt(std::string uri) : uri_(std::move(uri)) {
        virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
        if (virEventRegisterDefaultImpl() < 0) fail("libvirt's event loop");
        loop_ = std::thread([this] {
            while (!ending_) virEventRunDefaultImpl();
        });
    }
    ~Libvirt() override {
        {
            const std::lock_guard lock(mutex_);
            callback_.set({});
            disconnect();
        }
        ending_ = true;
        virEventAddTimeout(
            0, [](int timer, void*) { virEventRemoveTimeout(timer); }, nullptr, nullptr);  // wakes the loop
        loop_.join();
    }

    HypervisorFacts facts() override {
        const std::lock_guard lock(mutex_);
        virConnect* c = connect();
        HypervisorFacts f;
        f.type = virConnectGetType(c);
        unsigned long version = 0;
        if (virConnectGetVersion(c, &version) == 0) f.version = static_cast<std::int64_t>(version);
        virNodeInfo node{};
        if (virNodeGetInfo(c, &node) < 0) fail("cannot read the node's processors and memory");
        f.vcpus = static_cast<int>(node.cpus);
        f.memory_mib = static_cast<std::int64_t>(node.memory / 1024);
        f.cells = static_cast<int>(node.nodes);
        f.sockets = static_cast<int>(node.sockets);
        f.cores = static_cast<int>(node.cores);
        f.threads = static_cast<int>(node.threads);
        const CText capabilities(virConnectGetCapabilities(c));
        if (!capabilities) fail("cannot read libvirt's capabilities");
        const std::string_view xml(capabilities.get());
        const std::string cpu = element(xml, "cpu");
        f.arch = element(cpu, "arch");
        f.cpu_model = element(cpu, "model");
        f.cpu_vendor = element(cpu, "vendor");
        f.cpu_features = cpu_features(xml);
        return f;
    }

    std::vector<DomainInfo> list() override {
        const std::lock_guard lock(mutex_);
        virConnect* c = connect();
        virDomainPtr* raw = nullptr;
        const int count = virConnectListAllDomains(c, &raw, 0);
        if (count < 0) fail("cannot list the domains");
        std::vector<Domain> domains;
        for (int i = 0; i < count; ++i) domains.emplace_back(raw[i]);
        std::free(raw);
        std::vector<DomainInfo> out;
        for (const Domain& domain : domains)
            if (auto info = inspect(domain.get())) out.push_back(std::move(*info));
        return out;
    }

    DomainInfo look(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        if (const Domain domain = look_up(id))
            if (auto info = inspect(domain.get())) return *info;
        DomainInfo none;
        none.id = id;
        return none;
    }

    bool knows(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        return look_up(id) != nullptr;
    }

    void start_paused(const DomainSpec& spec) override {
        const std::lock_guard lock(mutex_);
        virConnect* c = connect();
        const std::string xml = domain_xml(spec);
        const Domain domain(virDomainDefineXMLFlags(c, xml.c_str(), VIR_DOMAIN_DEFINE_VALIDATE));
        if (!domain) fail("libvirt refused the domain");
        if (virDomainCreateWithFlags(domain.get(), VIR_DOMAIN_START_PAUSED) < 0) {
            const virError* error = virGetLastError();
            if (!error || error->code != VIR_ERR_OPERATION_INVALID || virDomainIsActive(domain.get()) != 1) fail("the guest did not start");
        }
    }

    void resume(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const Domain domain = look_up(id);
        if (!domain) throw Error(Errc::not_found, "the domain is gone");
        // A request of an agent that ended in the middle may still have been on its way.
        try {
            if (virDomainResume(domain.get()) < 0) fail("the guest did not resume");
        } catch (const Error&) {
            if (!is_running(domain.get())) throw;
        }
    }

    void attach_port(const DomainSpec& spec, const PortSpec& port) override {
        const std::lock_guard lock(mutex_);
        const Domain domain = look_up(spec.id);
        if (!domain) throw Error(Errc::not_found, "the domain is gone");
        if (virDomainAttachDeviceFlags(domain.get(), port_xml(spec, port).c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0)
            fail("the port " + port.id + " could not be plugged in");
    }

    void detach_port(const std::string& id, const std::string& port_id) override {
        const std::lock_guard lock(mutex_);
        const Domain domain = look_up(id);
        if (!domain) return;
        const CText xml(virDomainGetXMLDesc(domain.get(), 0));
        const std::string device = xml ? interface_of(xml.get(), port_id) : "";
        if (!device.empty() && virDomainDetachDeviceFlags(domain.get(), device.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0)
            fail("the port " + port_id + " could not be unplugged");
    }

    void ask_shutdown(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const Domain domain = look_up(id);
        if (domain && virDomainShutdownFlags(domain.get(), VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) < 0 && virDomainIsActive(domain.get()) == 1)
            fail("the guest could not be asked to shut down");
    }

    void destroy(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        if (const Domain domain = look_up(id)) end(domain.get());
    }

    void remove(const std::string& id) override {
        const std::lock_guard lock(mutex_);
        const Domain domain = look_up(id);
        if (!domain) return;
        end(domain.get());
        const unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM |
                               VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        if (virDomainUndefineFlags(domain.get(), flags) < 0 && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) fail("the domain could not be removed");
    }

    bool needs_storage() const override { return true; }

    void on_event(std::function<void()> callback) override {
        const std::lock_guard lock(mutex_);
        callback_.set(std::move(callback));
    }

private:
    // Call with mutex_ held.
    virConnect* connect() {
        if (connection_ && virConnectIsAlive(connection_.get()) == 1) return connection_.get();
        disconnect();
        connection_.reset(virConnectOpen(uri_.c_str()));
        if (!connection_) {
            const virError* error = virGetLastError();
            throw Error(Errc::unavailable,
                        "libvirt at " + uri_ + " does not answer: " + (error && error->message ? error->message : "no reason given"));
        }
        virConnectSetKeepAlive(connection_.get(), 10, 3);
        watch_ = virConnectDomainEventRegisterAny(connection_.get(), nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                  VIR_DOMAIN_EVENT_CALLBACK(&Libvirt::lifecycle), this, nullptr);
        removals_ = virConnectDomainEventRegisterAny(connection_.get(), nullptr, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                                                     VIR_DOMAIN_EVENT_CALLBACK(&Libvirt::removed), this, nullptr);
        return connection_.get();
    }

    // A registered callback holds a reference to its connection.
    void disconnect() {
        for (int* watch : {&watch_, &removals_}) {
            if (connection_ && *watch >= 0) virConnectDomainEventDeregisterAny(connection_.get(), *watch);
            *watch = -1;
        }
        connection_.reset();
    }

    // On the event thread, where mutex_ may be held by a caller that waits for an answer: so the callback has a mutex of its own kind.
    static int lifecycle(virConnectPtr, virDomainPtr, int, int, void* self) {
        auto* me = static_cast<Libvirt*>(self);
        if (const auto callback = me->callback_.get()) callback();
        return 0;
    }

    static void removed(virConnectPtr, virDomainPtr, const char*, void* self) {
        if (const auto callback = static_cast<Libvirt*>(self)->callback_.get()) callback();
    }

    Domain look_up(const std::string& id) {
        Domain domain(virDomainLookupByUUIDString(connect(), id.c_str()));
        if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) fail("cannot look up the domain");
        return domain;
    }

    static bool is_running(virDomainPtr domain) {
        int state = 0;
        return virDomainGetState(domain, &state, nullptr, 0) == 0 && state == VIR_DOMAIN_RUNNING;
    }

    static void end(virDomainPtr domain) {
        if (virDomainIsActive(domain) != 1) return;
        if (virDomainDestroy(domain) < 0 && virDomainIsActive(domain) == 1) fail("the guest could not be ended");
    }

    static std::optional<DomainInfo> inspect(virDomainPtr domain) {
        const CText metadata(virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, std::string(metadata_namespace).c_str(), 0));
        if (!metadata) return std::nullopt;
        DomainInfo info;
        char id[VIR_UUID_STRING_BUFLEN];
        if (virDomainGetUUIDString(domain, id) < 0) return std::nullopt;
        info.id = id;
        info.name = virDomainGetName(domain);
        int state = 0, reason = 0;
        if (virDomainGetState(domain, &state, &reason, 0) < 0) return std::nullopt;  // went away meanwhile
        const unsigned run = virDomainGetID(domain);
        info.run = run == static_cast<unsigned>(-1) ? -1 : static_cast<std::int64_t>(run);
        switch (state) {
            case VIR_DOMAIN_RUNNING:
            case VIR_DOMAIN_BLOCKED:
            case VIR_DOMAIN_SHUTDOWN:
            case VIR_DOMAIN_PMSUSPENDED:
                info.power = Power::running;
                break;
            case VIR_DOMAIN_PAUSED:
                info.power = Power::paused;
                info.blocked = reason == VIR_DOMAIN_PAUSED_IOERROR || reason == VIR_DOMAIN_PAUSED_CRASHED || reason == VIR_DOMAIN_PAUSED_WATCHDOG;
                break;
            default:
                info.power = Power::shutoff;
                info.crashed = state == VIR_DOMAIN_CRASHED || reason == VIR_DOMAIN_SHUTOFF_CRASHED || reason == VIR_DOMAIN_SHUTOFF_FAILED;
        }
        if (info.run >= 0) {
            const CText xml(virDomainGetXMLDesc(domain, 0));
            if (xml) {
                info.vnc_port = static_cast<int>(parse_integer(attribute(xml.get(), "<graphics type='vnc'", "port")).value_or(0));
                info.ports = values(xml.get(), "interfaceid");
            }
        }
        return info;
    }

    // A function that is set and called from different threads.
    class Callback {
    public:
        void set(std::function<void()> f) {
            const std::lock_guard lock(mutex_);
            f_ = std::move(f);
        }
        std::function<void()> get() {
            const std::lock_guard lock(mutex_);
            return f_;
        }

    private:
        std::mutex mutex_;
        std::function<void()> f_;
    };

    const std::string uri_;
    std::mutex mutex_;  // of connection_; libvirt itself is thread-safe
    Connection connection_;
    int watch_ = -1, removals_ = -1;
    Callback callback_;
    std::atomic<bool> ending_{false};
    std::thread loop_;
};

}  // namespace

std::unique_ptr<Hypervisor> make_libvirt(std::string uri) { return std::make_unique<Libvirt>(std::move(uri)); }

}  // namespace pilvi::compute_agent
