#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "commands.h"
#include "doctor/cloud_view.h"

namespace pilvi::cli {
namespace {
namespace fs = std::filesystem;

std::vector<std::string> json_files(const std::string& place) {
    std::error_code failed;
    if (fs::is_regular_file(place, failed)) return {place};
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(place, failed))
        if (entry.path().extension() == ".json") files.push_back(entry.path().string());
    if (failed) throw Error(Errc::bad_request, place + ": " + failed.message());
    if (files.empty()) throw Error(Errc::bad_request, place + " has no *.json file");
    std::sort(files.begin(), files.end());
    return files;
}

class Loader {
public:
    Loader(const Access& access, bool overwrite)
        : session_(admin_session(access.auth_url, access.credentials, access.configuration)),
          path_(session_.endpoint("image") + "/v2/metadefs/namespaces"),
          overwrite_(overwrite) {}

    // What was done with the file's namespace, for the operator.
    std::string load(const std::string& file) {
        const json::value document = parse_json(read_file(file, 16u << 20));
        if (!document.is_object()) throw Error(Errc::bad_request, "it is not a JSON object");
        const json::object& wanted = document.get_object();
        const std::string name = string_or(wanted, "namespace");
        if (name.empty()) throw Error(Errc::bad_request, "it has no member \"namespace\"");
        const bool there = exists(name);
        if (there && !overwrite_) return name + " is there already";
        if (there) remove(name);
        session_.call("POST", path_, document);
        return name + (there ? " replaced" : " loaded");
    }

private:
    bool exists(const std::string& name) {
        const http::Response answer = session_.send({.url = path_ + "/" + percent_encode(name)});
        if (answer.status == 404) return false;
        if (answer.status != 200) throw error_of(answer, "GET " + path_);
        return true;
    }
    void remove(const std::string& name) {
        const std::string url = path_ + "/" + percent_encode(name);
        session_.call("PUT", url, json::object{{"namespace", name}, {"protected", false}});
        session_.call("DELETE", url);
    }
    Session session_;
    std::string path_;
    bool overwrite_;
};
}  // namespace

int load_metadefs(const Access& access, const MetadefOptions& options) {
    Loader loader(access, options.overwrite);
    int failed = 0;
    for (const std::string& file : json_files(options.place)) {
        try {
            std::puts(loader.load(file).c_str());
        } catch (const Error& error) {
            ++failed;
            std::fprintf(stderr, "pilvi: %s: %s\n", file.c_str(), error.message().c_str());
        }
    }
    return failed == 0 ? 0 : 1;
}

}  // namespace pilvi::cli
