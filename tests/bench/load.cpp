// Closed-loop load on one URL over kept connections.
//   bench-load [-c CLIENTS] [-n REQUESTS] [-p PID]... [-X METHOD] [-d BODY] [-H 'Name: value']... http://127.0.0.1:PORT/path
// Prints requests/s, p50 and p99 in milliseconds and, with -p, the CPU microseconds that the processes spent per request.
// Only loopback addresses are accepted; the number of requests is bounded.
#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>
#include <unistd.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

struct Options {
    int clients = 1;
    long requests = 2000;
    std::vector<long> pids;
    std::string method = "GET", body, host, port, target;
    std::vector<std::pair<std::string, std::string>> headers;
};

[[noreturn]] void usage(const char* why) {
    std::fprintf(stderr, "bench-load: %s\n", why);
    std::exit(2);
}

Options parse(int argc, char** argv) {
    Options o;
    for (int c; (c = getopt(argc, argv, "c:n:p:X:d:H:")) != -1;) {
        const std::string value = optarg ? optarg : "";
        switch (c) {
            case 'c':
                o.clients = std::clamp(std::atoi(optarg), 1, 64);
                break;
            case 'n':
                o.requests = std::clamp(std::atol(optarg), 1L, 2'000'000L);
                break;
            case 'p':
                o.pids.push_back(std::atol(optarg));
                break;
            case 'X':
                o.method = value;
                break;
            case 'd':
                o.body = value;
                break;
            case 'H': {
                const std::size_t colon = value.find(": ");
                if (colon == std::string::npos) usage("-H 'Name: value'");
                o.headers.emplace_back(value.substr(0, colon), value.substr(colon + 2));
                break;
            }
            default:
                usage("unknown option");
        }
    }
    if (optind + 1 != argc) usage("one URL is expected");
    const std::string url = argv[optind];
    const std::size_t slash = url.find('/', 7), colon = url.find(':', 7);
    if (!url.starts_with("http://127.") || slash == std::string::npos || colon == std::string::npos) usage("http://127.x.x.x:PORT/path is expected");
    o.host = url.substr(7, colon - 7);
    o.port = url.substr(colon + 1, slash - colon - 1);
    o.target = url.substr(slash);
    return o;
}

// CPU time of a process so far, in microseconds.
double cpu_micros_of(long pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(in, text);
    const std::size_t end = text.rfind(')');
    if (end == std::string::npos) return 0;
    long user = 0, system = 0;
    std::sscanf(text.c_str() + end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
    return static_cast<double>(user + system) * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double cpu_micros(const std::vector<long>& pids) {
    double sum = 0;
    for (const long pid : pids) sum += cpu_micros_of(pid);
    return sum;
}

void client(const Options& o, std::atomic<long>& left, std::atomic<long>& bad, std::vector<double>& times) {
    asio::io_context io;
    beast::tcp_stream stream(io);
    http::request<http::string_body> request{http::string_to_verb(o.method), o.target, 11};
    request.set(http::field::host, o.host + ":" + o.port);
    for (const auto& [name, value] : o.headers) request.set(name, value);
    request.body() = o.body;
    request.prepare_payload();
    const auto connect = [&] {
        stream.close();
        stream.connect(asio::ip::tcp::resolver(io).resolve(o.host, o.port));
        stream.socket().set_option(asio::ip::tcp::no_delay(true));
    };
    connect();
    beast::flat_buffer buffer;
    while (left.fetch_sub(1) > 0) {
        const auto started = std::chrono::steady_clock::now();
        bool kept = false;
        for (int attempt = 0; attempt < 3; ++attempt) {
            http::response_parser<http::string_body> response;
            response.body_limit(1u << 30);
            beast::error_code failed;
            http::write(stream, request, failed);
            if (!failed) http::read(stream, buffer, response, failed);
            if (!failed) {
                kept = response.get().keep_alive();
                if (response.get().result_int() >= 300) ++bad;
                break;
            }
            // A server that closes after its answer without having said so: once more on a new connection.
            if (attempt == 2) ++bad;
            buffer.clear();
            connect();
        }
        times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count());
        if (!kept) connect();
    }
}

}  // namespace

int main(int argc, char** argv) {
    const Options o = parse(argc, argv);
    std::atomic<long> left{o.requests}, bad{0};
    std::vector<std::vector<double>> times(static_cast<std::size_t>(o.clients));
    const double cpu_before = cpu_micros(o.pids);
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (auto& mine : times) threads.emplace_back([&] { client(o, left, bad, mine); });
    for (auto& thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    std::vector<double> all;
    for (const auto& mine : times) all.insert(all.end(), mine.begin(), mine.end());
    std::sort(all.begin(), all.end());
    const auto at = [&](double q) { return all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))]; };
    std::printf("%zu requests, %ld not 2xx, %.0f req/s, p50 %.3f ms, p99 %.3f ms", all.size(), bad.load(), static_cast<double>(all.size()) / seconds,
                at(0.5), at(0.99));
    if (!o.pids.empty()) std::printf(", %.0f us CPU each", (cpu_micros(o.pids) - cpu_before) / static_cast<double>(all.size()));
    std::printf("\n");
    return bad ? 1 : 0;
}
