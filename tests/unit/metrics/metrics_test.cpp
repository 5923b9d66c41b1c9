#include <doctest/doctest.h>

#include "base/error.h"
#include "metrics/metrics.h"

using namespace pilvi;

TEST_CASE("counters, gauges and histograms in exposition format") {
    metrics::Registry registry;
    registry.counter("pilvi_http_requests_total", "Requests.", R"(method="GET")").add(2);
    registry.counter("pilvi_http_requests_total", "Requests.", R"(method="GET")").add();
    registry.gauge("pilvi_parked", "Parked requests.", [] { return 1.5; });
    auto& h = registry.histogram("pilvi_seconds", "Time.");
    h.observe(0.003);
    h.observe(20);
    const std::string text = registry.text();
    CHECK(text.find("# HELP pilvi_http_requests_total Requests.\n# TYPE pilvi_http_requests_total counter\n") != std::string::npos);
    CHECK(text.find("pilvi_http_requests_total{method=\"GET\"} 3\n") != std::string::npos);
    CHECK(text.find("# TYPE pilvi_parked gauge\npilvi_parked 1.5\n") != std::string::npos);
    CHECK(text.find("pilvi_seconds_bucket{le=\"0.0025\"} 0\n") != std::string::npos);
    CHECK(text.find("pilvi_seconds_bucket{le=\"0.005\"} 1\n") != std::string::npos);
    CHECK(text.find("pilvi_seconds_bucket{le=\"+Inf\"} 2\n") != std::string::npos);
    CHECK(text.find("pilvi_seconds_sum 20.003\n") != std::string::npos);
    CHECK(text.find("pilvi_seconds_count 2\n") != std::string::npos);
}

TEST_CASE("label sets are bounded") {
    metrics::Registry registry;
    for (int i = 0; i < 5000; ++i) registry.counter("x_total", "X.", "i=\"" + std::to_string(i) + "\"").add();
    const std::string text = registry.text();
    CHECK(text.find("x_total{overflow=\"true\"} 4000\n") != std::string::npos);
}

TEST_CASE("one name has one type") {
    metrics::Registry registry;
    registry.counter("x", "X.");
    CHECK_THROWS_AS(registry.histogram("x", "X."), Error);
}
