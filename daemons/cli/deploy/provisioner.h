#pragma once
#include <optional>

#include "base/fd.h"
#include "deploy/provision.h"
#include "identity/identity.h"

namespace pilvi::cli {

// Makes the pieces by the APIs, each where it is missing.
class Provisioner {
public:
    Provisioner(const Access& access, const ProvisionOptions& options);
    // Takes away what names this cloud in another region than its own: a package's first start does not know the region that is answered later.
    void clean_catalogue();
    void make_flavors();
    void make_image();
    void make_networks();  // and the project and user demo
    void write_files();
    void print_summary();

    // Of one kind of object: its collection and its own name in bodies, and what people call it.
    struct Kind {
        const char *collection, *singular, *text;
    };
    // The object of that name in the answer to GET `url`; empty where there is none.
    static json::object find(Session& session, const std::string& url, const char* collection, const std::string& name);
    // Its id; made by POST `url` where GET `url` + `query` does not show it.
    std::string ensure(Session& session, const std::string& url, const std::string& query, const Kind& kind, const std::string& name,
                       json::object body);
    void say(const std::string& text);
    Session& demo();  // of the user demo

private:
    void make_project();
    void upload_image(const std::string& url, const UniqueFd& data);
    std::string demo_password();  // made where the file is missing
    std::vector<Login> logins();
    std::string clouds_file() const;

    const Access& access_;
    const ProvisionOptions& options_;
    Session admin_;
    std::optional<Session> demo_;
};

}  // namespace pilvi::cli
