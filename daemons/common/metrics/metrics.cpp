#include "metrics/metrics.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace pilvi::metrics {
namespace {
constexpr std::size_t label_sets_limit = 1000;

std::string braces(std::string_view labels) { return labels.empty() ? "" : "{" + std::string(labels) + "}"; }

std::string with_le(std::string_view labels, std::string_view le) { return fmt::format("{{{}{}le=\"{}\"}}", labels, labels.empty() ? "" : ",", le); }

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}
}  // namespace

void Histogram::observe(double seconds) noexcept {
    if (!(seconds >= 0)) seconds = 0;
    std::size_t bucket = 0;
    while (bucket < std::size(bounds_) && seconds > bounds_[bucket]) ++bucket;
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    micros_.fetch_add(static_cast<std::uint64_t>(seconds * 1e6), std::memory_order_relaxed);
}

void Histogram::write(std::string& out, std::string_view name, std::string_view labels) const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < std::size(bounds_); ++i) {
        total += counts_[i].load(std::memory_order_relaxed);
        out += fmt::format("{}_bucket{} {}\n", name, with_le(labels, fmt::format("{}", bounds_[i])), total);
    }
    total += counts_[std::size(bounds_)].load(std::memory_order_relaxed);
    out += fmt::format("{}_bucket{} {}\n", name, with_le(labels, "+Inf"), total);
    out += fmt::format("{}_sum{} {}\n", name, braces(labels), number(static_cast<double>(micros_.load(std::memory_order_relaxed)) / 1e6));
    out += fmt::format("{}_count{} {}\n", name, braces(labels), total);
}

struct Registry::Family {
    std::string help;
    std::string type;
    std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters;
    std::map<std::string, std::unique_ptr<Histogram>, std::less<>> histograms;
    std::function<double()> read;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Family& Registry::family(std::string_view name, std::string_view help, std::string_view type) {
    auto at = families_.find(name);
    if (at == families_.end()) {
        at = families_.emplace(std::string(name), std::make_unique<Family>()).first;
        at->second->help = help;
        at->second->type = type;
    }
    if (at->second->type != type) throw Error(Errc::internal, "metric " + std::string(name) + " is registered with another type");
    return *at->second;
}

namespace {
// What exceeds the limit of label sets is counted together, so that labels from outside cannot fill the memory.
template <class T>
T& member(std::map<std::string, std::unique_ptr<T>, std::less<>>& map, std::string_view labels) {
    if (const auto at = map.find(labels); at != map.end()) return *at->second;
    const std::string key = map.size() < label_sets_limit ? std::string(labels) : "overflow=\"true\"";
    auto& slot = map[key];
    if (!slot) slot = std::make_unique<T>();
    return *slot;
}
}  // namespace

Counter& Registry::counter(std::string_view name, std::string_view help, std::string_view labels) {
    const std::lock_guard lock(mutex_);
    return member(family(name, help, "counter").counters, labels);
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::string_view labels) {
    const std::lock_guard lock(mutex_);
    return member(family(name, help, "histogram").histograms, labels);
}

void Registry::gauge(std::string_view name, std::string_view help, std::function<double()> read) {
    const std::lock_guard lock(mutex_);
    family(name, help, "gauge").read = std::move(read);
}

std::string Registry::text() const {
    std::string out;
    std::vector<std::pair<std::string, std::function<double()>>> gauges;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, family] : families_) {
            if (family->read) {
                gauges.emplace_back(fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n{0} ", name, family->help), family->read);
                continue;
            }
            out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, family->help, family->type);
            for (const auto& [labels, c] : family->counters) out += fmt::format("{}{} {}\n", name, braces(labels), c->value());
            for (const auto& [labels, h] : family->histograms) h->write(out, name, labels);
        }
    }
    for (const auto& [head, read] : gauges) out += head + number(read()) + "\n";  // outside the lock: a gauge may use the registry
    return out;
}

}  // namespace pilvi::metrics
