#pragma once
// A PostgreSQL server of the test's own: initdb in a temporary directory, a unix socket in it, no TCP. Root starts it as user postgres.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace pilvi::test {

class PostgresqlServer {
public:
    // Throws std::runtime_error where PostgreSQL is not installed or does not start: a test that needs it fails then.
    PostgresqlServer() {
        bin_ = find_bin();
        char name[] = "/tmp/pilvi-postgresql-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("no temporary directory");
        directory_ = name;
        if (::geteuid() == 0) {
            const passwd* user = ::getpwnam("postgres");
            if (!user) throw std::runtime_error("PostgreSQL cannot run as root and there is no user postgres");
            if (::chown(name, user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown failed");
        }
        const std::string data = directory_ + "/data";
        const pid_t initdb = spawn({bin_ + "/initdb", "-D", data, "-A", "trust", "-U", "pilvi", "--locale=C", "-E", "UTF8", "--no-sync"});
        if (wait(initdb) != 0) throw std::runtime_error("initdb failed");
        server_ = spawn({bin_ + "/postgres", "-D", data, "-k", directory_, "-c", "listen_addresses=", "-c", "fsync=off"});
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
        while (wait(spawn({bin_ + "/pg_isready", "-q", "-h", directory_, "-U", "pilvi", "-d", "postgres"})) != 0) {
            if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("PostgreSQL did not start");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
    ~PostgresqlServer() {
        if (server_ > 0) {
            ::kill(server_, SIGINT);
            wait(server_);
        }
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    PostgresqlServer(const PostgresqlServer&) = delete;
    PostgresqlServer& operator=(const PostgresqlServer&) = delete;

    // A database url whose tables live in `schema`.
    std::string url(const std::string& schema) const {
        return "postgresql:host=" + directory_ + " user=pilvi dbname=postgres options='-csearch_path=" + schema + "'";
    }
    // The same as a plain url, as configuration files have it; the tables live in the schema public.
    std::string plain_url(const std::string& password = {}) const {
        std::string host;
        for (const char c : directory_) host += c == '/' ? std::string("%2F") : std::string(1, c);
        return "postgresql://pilvi" + (password.empty() ? "" : ":" + password) + "@" + host + "/postgres";
    }
    // The url of a new, empty schema.
    std::string fresh() {
        static std::atomic<int> number{0};
        const std::string schema = "t" + std::to_string(++number);
        if (wait(spawn({bin_ + "/psql", "-q", "-h", directory_, "-U", "pilvi", "-d", "postgres", "-c", "CREATE SCHEMA " + schema})) != 0)
            throw std::runtime_error("CREATE SCHEMA failed");
        return url(schema);
    }
    // Closes every session but our own, as a restart of the server does.
    void disconnect_clients() const {
        wait(spawn({bin_ + "/psql", "-q", "-h", directory_, "-U", "pilvi", "-d", "postgres", "-c",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'pilvi'"}));
    }

private:
    static std::string find_bin() {
        std::string newest;
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none))
            if (std::filesystem::exists(entry.path() / "bin/initdb")) newest = std::max(newest, (entry.path() / "bin").string());
        if (newest.empty()) throw std::runtime_error("PostgreSQL is not installed: this test needs package postgresql");
        return newest;
    }
    pid_t spawn(std::vector<std::string> argv) const {
        const pid_t child = ::fork();
        if (child != 0) return child;
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        if (::chdir("/") != 0) ::_exit(126);
        if (::geteuid() == 0) {
            const passwd* user = ::getpwnam("postgres");
            if (!user || ::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0) ::_exit(126);
        }
        ::prctl(PR_SET_PDEATHSIG, SIGINT);
        std::vector<char*> pointers;
        for (std::string& argument : argv) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        ::execv(pointers[0], pointers.data());
        ::_exit(127);
    }
    static int wait(pid_t child) {
        int status = 0;
        while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        return status;
    }

    std::string bin_, directory_;
    pid_t server_ = -1;
};

}  // namespace pilvi::test
