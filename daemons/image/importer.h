#pragma once
// Imports in the background: data from the staging area, the web or another store goes through the plugins into stores, and a task tells how far it came.
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "command/command.h"
#include "fetch.h"
#include "image.h"
#include "model.h"
#include "remote.h"

namespace pilvi::image {

class Intake;

struct ImportOptions {
    std::vector<std::string> methods = {"glance-direct", "web-download", "copy-image"};
    int workers = 2;
    bool decompress = false;  // gzip of images whose container format is "compressed"
    std::string convert;      // disk format that imported images get; "": as they come
    std::vector<std::pair<std::string, std::string>> inject;
    std::vector<std::string> inject_ignored_roles = {"admin"};
    std::vector<std::string> copied = {"hw_", "trait:", "os_distro", "os_secure_boot",
                                       "os_type"};  // glance-download: what such properties begin with
    std::string identity_url;                       // where glance-download finds other regions
};

// The settings under import.; throws Error(bad_request) naming the one that is wrong.
ImportOptions import_options(const Config& config);

struct ImportJob {
    std::string task_id, image_id, method, uri;
    std::vector<std::string> stores;
    bool all_must_succeed = true;
    std::vector<std::string> roles;  // of the caller
    RemoteImage remote = {};         // glance-download
};

// Data that an import works on. Plugins may put other data and other formats in its place.
struct Imported {
    Opened data;
    std::string location;  // in the staging area
    std::string disk_format, container_format;
    std::optional<std::map<std::string, std::string>> properties = {};  // that the image gets with its data, and these formats, where they came along
};

class Importer {
public:
    // `app`: with staging; it, the store and the runner live longer.
    Importer(Store& store, const App& app, const FetchRules& rules, CommandRunner& runner, ImportOptions options);
    ~Importer();  // ends the workers; what is in work fails
    const ImportOptions& options() const { return options_; }
    const Fetcher& fetcher() const { return fetcher_; }
    // The task is committed as pending. Never blocks.
    void submit(ImportJob job);
    // Until nothing is queued or in work.
    void wait_idle();

private:
    void work();
    void run(const ImportJob& job);
    // Downloads for the import, which live as long as it.
    using Download = std::unique_ptr<Intake>;
    void import(const ImportJob& job, Download& download);
    Imported prepare(const ImportJob& job, Download& download);
    // `source` puts the bytes into the sink that it is given.
    Imported fetch_to_staging(const ImportJob& job, Download& download, const std::function<void(const Sink&)>& source);
    Imported fetch_remote(const ImportJob& job, Download& download);
    Imported staged(const ImportJob& job);
    void check_contents(const Imported& imported);
    void run_plugins(const ImportJob& job, Imported& imported);
    void decompress(const ImportJob& job, Imported& imported);
    void convert(const ImportJob& job, Imported& imported);
    void inject(const ImportJob& job);
    bool copy_to_store(const ImportJob& job, const Imported& imported, const std::string& name, bool activate);
    void finish(const ImportJob& job);
    void fail(const ImportJob& job, const std::string& why);
    void progress(const ImportJob& job, std::uint64_t bytes);

    Store& store_;
    const App& app_;
    Fetcher fetcher_;
    RemoteGlance remote_;
    CommandRunner& runner_;
    ImportOptions options_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<ImportJob> queue_;
    std::size_t running_ = 0;
    bool ending_ = false;
    int cancel_fd_;
    std::vector<std::thread> threads_;
};

// An image that may be imported into now becomes importing, with a task: of type api_image_import, whose input's import_req is `request`; the job is
// submitted. copy-image: stores that have the data are left out where `all`, and refused otherwise; nothing happens where none is left. Throws
// Error(conflict), Error(bad_request).
void begin_import(api::Call& call, ImportJob job, const json::value& request = json::object(), bool all = false);

// Comma-separated store names in a property of an image: os_glance_importing_to_stores, os_glance_failed_import.
constexpr std::string_view importing_key = "os_glance_importing_to_stores", failed_key = "os_glance_failed_import";
void change_store_list(Tx& tx, const std::string& image_id, std::string_view key, const std::vector<std::string>& stores, bool add);

}  // namespace pilvi::image
