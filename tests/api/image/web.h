#pragma once
// A web server with a document at /there, and the rules under which it may be read.
#include "image/fetch.h"

namespace pilvi::testing {

struct Web final : http::Handler {
    http::Server server{*this, {}};
    int port = server.listen("127.0.0.1", 0);
    std::string document = "from the web";
    Web() { server.start(); }
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {}; }
    http::Response handle(http::Request& request) override {
        http::Response r;
        if (request.path == "/there") r.body = document;
        else r.status = 404;
        return r;
    }
    http::Response refuse(int status, std::string_view) override { return {.status = status}; }
    std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
    static image::FetchRules rules() { return {.ports = {}, .networks = {*Cidr::parse("127.0.0.0/8")}}; }
};

}  // namespace pilvi::testing
