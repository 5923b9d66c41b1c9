#pragma once
// Counters, gauges and histograms in Prometheus text exposition format 0.0.4. Thread-safe; one Registry per process, passed by reference.
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace pilvi::metrics {

// Labels already in exposition form without braces: `method="GET",status="200"`; "" for none.
class Counter {
public:
    void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class Histogram {
public:
    // Buckets 1 ms ... 10 s, in seconds.
    void observe(double seconds) noexcept;
    void write(std::string& out, std::string_view name, std::string_view labels) const;

private:
    static constexpr double bounds_[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
    std::atomic<std::uint64_t> counts_[14]{};
    std::atomic<std::uint64_t> micros_{0};
};

class Registry {
public:
    // The same name and labels give the same object. Names carry base units ("_seconds", "_total"). At most 1,000 label sets a name.
    Counter& counter(std::string_view name, std::string_view help, std::string_view labels = {});
    Histogram& histogram(std::string_view name, std::string_view help, std::string_view labels = {});
    // Read when scraped.
    void gauge(std::string_view name, std::string_view help, std::function<double()> read);
    std::string text() const;

private:
    struct Family;
    Family& family(std::string_view name, std::string_view help, std::string_view type);
    mutable std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;

public:
    Registry();
    ~Registry();
};

}  // namespace pilvi::metrics
