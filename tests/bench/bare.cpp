// The yardstick: a bare Boost.Beast server on one thread that answers every request with the bytes of a file.
//   bench-bare FILE   prints "LISTENING <port>" and serves on 127.0.0.1 until it is ended.
#include <boost/asio.hpp>
#include <boost/beast.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(asio::ip::tcp::socket socket, const std::string& body) : stream_(std::move(socket)), body_(body) {}

    void read() {
        request_ = {};
        http::async_read(stream_, buffer_, request_, [self = shared_from_this()](beast::error_code failed, std::size_t) {
            if (!failed) self->answer();
        });
    }

private:
    void answer() {
        response_ = {http::status::ok, request_.version()};
        response_.set(http::field::content_type, "application/json");
        response_.keep_alive(request_.keep_alive());
        response_.body() = body_;
        response_.prepare_payload();
        http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code failed, std::size_t) {
            if (!failed && self->request_.keep_alive()) self->read();
        });
    }

    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
    const std::string& body_;
};

void accept(asio::ip::tcp::acceptor& acceptor, const std::string& body) {
    acceptor.async_accept([&](beast::error_code failed, asio::ip::tcp::socket socket) {
        if (!failed) {
            socket.set_option(asio::ip::tcp::no_delay(true));
            std::make_shared<Connection>(std::move(socket), body)->read();
        }
        accept(acceptor, body);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: bench-bare FILE\n";
        return 2;
    }
    std::ifstream in(argv[1], std::ios::binary);
    const std::string body{std::istreambuf_iterator<char>(in), {}};
    asio::io_context io(1);
    asio::ip::tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
    std::cout << "LISTENING " << acceptor.local_endpoint().port() << std::endl;
    accept(acceptor, body);
    io.run();
}
