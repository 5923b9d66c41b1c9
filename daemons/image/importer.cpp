#include "importer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "ingest.h"
#include "journal.h"
#include "locations.h"
#include "resources/data.h"
#include "resources/tasks.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
constexpr std::size_t piece = 1u << 20;
constexpr std::uint64_t tell_every = 64u << 20;  // bytes between two messages of progress

// Data that was opened, as a body.
class OpenedReader final : public http::BodyReader {
public:
    OpenedReader(const Opened& data, std::function<void(std::uint64_t)> tell) : source_(data), tell_(std::move(tell)) {}
    std::size_t read(char* into, std::size_t size) override {
        const std::string bytes = source_.read(at_, std::min(size, piece));
        std::copy(bytes.begin(), bytes.end(), into);
        at_ += bytes.size();
        if (at_ / tell_every != (at_ - bytes.size()) / tell_every) tell_(at_);
        return bytes.size();
    }

private:
    OpenedSource source_;
    std::function<void(std::uint64_t)> tell_;
    std::uint64_t at_ = 0;
};
}  // namespace

void change_store_list(Tx& tx, const std::string& image_id, std::string_view key, const std::vector<std::string>& stores, bool add) {
    const Value old = tx.scalar("SELECT value FROM image_properties WHERE image_id = ? AND name = ?", {image_id, key});
    std::set<std::string> names;
    for (const std::string& name : split(old.text(), ',', false)) names.insert(name);
    for (const std::string& name : stores) {
        if (add) names.insert(name);
        else names.erase(name);
    }
    const std::string value = join({names.begin(), names.end()}, ",");
    set_properties(tx, image_id, {{std::string(key), value}});
}

Importer::Importer(Store& store, const App& app, const FetchRules& rules, CommandRunner& runner, ImportOptions options)
    : store_(store),
      app_(app),
      fetcher_(rules),
      remote_(options.identity_url, rules.ca_file, options.copied),
      runner_(runner),
      options_(std::move(options)),
      cancel_fd_(::eventfd(0, EFD_CLOEXEC)) {
    for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Importer::~Importer() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    const std::uint64_t one = 1;
    if (::write(cancel_fd_, &one, sizeof one) != sizeof one) log::warning("a download in work is not told to end; it ends by its time limit");
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    ::close(cancel_fd_);
}

void Importer::submit(ImportJob job) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
    }
    changed_.notify_all();
}

void Importer::wait_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
}

void Importer::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (ending_) return;  // tasks that are left fail at the next start
        const ImportJob job = std::move(queue_.front());
        queue_.pop_front();
        ++running_;
        lock.unlock();
        run(job);
        lock.lock();
        --running_;
        changed_.notify_all();
    }
}

void Importer::run(const ImportJob& job) {
    try {
        Download download;
        try {
            import(job, download);
            finish(job);
        } catch (const Error& e) {
            log::warning("import by task " + job.task_id + " failed: " + e.message() + "; the image can be imported again",
                         {{"IMAGE_ID", job.image_id}});
            fail(job, e.code() == Errc::internal ? "An unexpected error ended the import." : e.message());
        }
    } catch (const std::exception& e) {
        log::error("task " + job.task_id + " cannot be ended: " + e.what() + "; it fails at the next start", {{"IMAGE_ID", job.image_id}});
    }
}

void Importer::import(const ImportJob& job, Download& download) {
    const bool started = store_.write([&](Tx& tx) {
        return tx.exec("UPDATE tasks SET status = 'processing', updated_at = ? WHERE id = ? AND status = 'pending'", {now_micros(), job.task_id}) ==
               1;
    });
    if (!started) throw Error(Errc::conflict, "The task has ended before it began");
    Imported imported;
    try {
        imported = prepare(job, download);
    } catch (const Error&) {  // no store gets it
        store_.write([&](Tx& tx) {
            if (tx.one("SELECT 1 FROM images WHERE id = ?", {job.image_id})) change_store_list(tx, job.image_id, failed_key, job.stores, true);
        });
        throw;
    }
    std::size_t succeeded = 0;
    for (std::size_t i = 0; i < job.stores.size(); ++i) {
        const bool last = i + 1 == job.stores.size();
        succeeded += copy_to_store(job, imported, job.stores[i], job.method != "copy-image" && (!job.all_must_succeed || last));
    }
    if (succeeded == 0) throw Error(Errc::unavailable, "None of the uploads finished!");
}

// What goes into the stores.
Imported Importer::prepare(const ImportJob& job, Download& download) {
    if (job.method == "copy-image") {
        const auto image = store_.read([&](Tx& tx) { return find_image(tx, job.image_id); });
        auto data = image ? open_data(app_, *image) : std::nullopt;
        if (!data) throw Error(Errc::not_found, "There is no data to copy");
        return {.data = std::move(*data), .location = {}, .disk_format = {}, .container_format = {}};
    }
    const auto web = [&](const Sink& sink) { fetcher_.get(job.uri, sink, 0, cancel_fd_); };
    Imported imported = job.method == "web-download"      ? fetch_to_staging(job, download, web)
                        : job.method == "glance-download" ? fetch_remote(job, download)
                                                          : staged(job);
    check_contents(imported);
    run_plugins(job, imported);
    return imported;
}

// The formats are the remote image's; they and its properties become this one's with its data.
Imported Importer::fetch_remote(const ImportJob& job, Download& download) {
    const std::string endpoint = remote_.endpoint(job.remote);
    RemoteMetadata metadata = remote_.metadata(endpoint, job.remote);
    std::uint64_t got = 0;
    Imported imported = fetch_to_staging(job, download, [&](const Sink& sink) {
        const auto counted = [&](std::string_view bytes) {
            got += bytes.size();
            sink(bytes);
        };
        remote_.data(endpoint, job.remote, counted, cancel_fd_);
    });
    if (got != metadata.size)
        throw Error(Errc::bad_gateway, "Task " + job.task_id + " failed because downloaded data size " + std::to_string(got) +
                                           " is different from expected " + std::to_string(metadata.size));
    imported.disk_format = std::move(metadata.disk_format);
    imported.container_format = std::move(metadata.container_format);
    imported.properties = std::move(metadata.properties);
    return imported;
}

Imported Importer::staged(const ImportJob& job) {
    const auto image = store_.read([&](Tx& tx) { return find_image(tx, job.image_id); });
    const std::string location = app_.staging->location_of(job.image_id);
    auto data = app_.staging->open(location);
    if (!image || !data) throw Error(Errc::not_found, "There is no staged data");
    return {std::move(*data), location, image->disk_format.value_or(""), image->container_format.value_or("")};
}

Imported Importer::fetch_to_staging(const ImportJob& job, Download& download, const std::function<void(const Sink&)>& source) {
    download = std::make_unique<Intake>(store_, app_, std::string(staging_area), job.image_id, "");
    store_.write([&](Tx& tx) { download->announce(tx); });
    Upload& upload = download->upload();
    std::uint64_t got = 0;
    source([&](std::string_view bytes) {
        if (got + bytes.size() > app_.size_cap)
            throw Error(Errc::too_large, "The incoming image is too large: more than " + std::to_string(app_.size_cap) + " bytes");
        upload.append(bytes.data(), bytes.size());
        if (got / tell_every != (got + bytes.size()) / tell_every) progress(job, got);
        got += bytes.size();
    });
    download->commit();
    return staged(job);
}

void Importer::check_contents(const Imported& imported) {
    const std::string why = refusal(app_.inspect(OpenedSource(imported.data)), imported.disk_format, imported.container_format, app_.need_signature);
    if (!why.empty()) throw Error(Errc::unsupported_media, why);
}

namespace {
void take_over(Tx& tx, const std::string& image_id, const Imported& imported) {
    tx.exec("UPDATE images SET disk_format = ?, container_format = ? WHERE id = ?", {imported.disk_format, imported.container_format, image_id});
    set_properties(tx, image_id, *imported.properties);
    check_limits(*find_image(tx, image_id));
}
}  // namespace

// True where the data is in the store. Where not all must succeed, a failure is noted on the image instead of thrown.
bool Importer::copy_to_store(const ImportJob& job, const Imported& imported, const std::string& name, bool activate) {
    const NamedStore* named = app_.stores.find(name);
    try {
        Intake intake(store_, app_, named->name, job.image_id, "");
        store_.write([&](Tx& tx) { intake.announce(tx); });
        OpenedReader reader(imported.data, [&](std::uint64_t bytes) { progress(job, bytes); });
        const Ingested got = ingest(reader, intake.upload(), app_.size_cap);
        std::optional<std::int64_t> virtual_size;
        if (const auto found = app_.inspect(intake.upload()).virtual_size; found && *found <= std::uint64_t{1} << 62)
            virtual_size = static_cast<std::int64_t>(*found);
        const Location location = intake.commit();
        const bool there = store_.write([&](Tx& tx) {
            const bool copy = job.method == "copy-image";
            const auto image = tx.one("SELECT os_hash_value FROM images WHERE id = ? AND (status = ? OR status = 'active')",
                                      {job.image_id, copy ? "active" : "importing"});
            if (!image || !is_running(tx, job.task_id)) return false;
            if (copy && !image->at(0).is_null() && image->at(0).text() != got.sha512)
                throw Error(Errc::conflict, "The data is not what the image's hash says");
            insert_location(tx, job.image_id, location);
            if (!copy)
                tx.exec(
                    "UPDATE images SET size = ?, virtual_size = ?, checksum = ?, os_hash_algo = 'sha512', os_hash_value = ?, updated_at = ?, status "
                    "= ? WHERE id = ?",
                    {static_cast<std::int64_t>(got.size), virtual_size, got.md5, got.sha512, now_micros(), activate ? "active" : "importing",
                     job.image_id});
            if (activate && imported.properties) take_over(tx, job.image_id, imported);
            change_store_list(tx, job.image_id, importing_key, {name}, false);
            if (!intake.settle(tx)) throw Error(Errc::gone, "The import was taken for lost");
            return true;
        });
        if (there) return true;
        throw Error(Errc::gone, "Image has been deleted, aborting import.");
    } catch (const Error& e) {
        const bool gone = e.code() == Errc::gone;
        if (!gone)
            store_.write([&](Tx& tx) {
                if (!tx.one("SELECT 1 FROM images WHERE id = ?", {job.image_id})) return;
                change_store_list(tx, job.image_id, importing_key, {name}, false);
                change_store_list(tx, job.image_id, failed_key, {name}, true);
            });
        if (job.all_must_succeed || gone) throw;
        log::warning("import into store " + name + " failed: " + e.message() + "; the other stores go on", {{"IMAGE_ID", job.image_id}});
        return false;
    }
}

void Importer::progress(const ImportJob& job, std::uint64_t bytes) {
    store_.write([&](Tx& tx) {
        tx.exec("UPDATE tasks SET message = ?, updated_at = ? WHERE id = ? AND status = 'processing'",
                {"Copied " + std::to_string(bytes >> 20) + " MiB", now_micros(), job.task_id});
    });
}

void Importer::finish(const ImportJob& job) {
    std::vector<Location> removed;
    if (job.method == "glance-direct") removed.push_back(staged_location(app_, job.image_id));
    store_.write([&](Tx& tx) {
        if (!is_running(tx, job.task_id)) return;
        note_removals(tx, app_, job.image_id, removed);
        tx.exec("UPDATE tasks SET status = 'success', result = ?, message = '', updated_at = ?, expires_at = ? WHERE id = ?",
                {to_text(json::object{{"image_id", job.image_id}}), now_micros(), now_micros() + task_lifetime, job.task_id});
    });
    remove_noted(store_, app_, removed);
}

// The image is as it was before the import, but for what the task says.
void Importer::fail(const ImportJob& job, const std::string& why) {
    std::vector<Location> removed;
    store_.write([&](Tx& tx) {
        removed.clear();
        if (!is_running(tx, job.task_id)) return;
        const auto image = find_image(tx, job.image_id);
        if (image) {
            change_store_list(tx, job.image_id, importing_key, job.stores, false);
            if (image->status == "importing") {
                removed = image->locations;
                replace_locations(tx, job.image_id, {});
                requeue(tx, job.image_id, "importing");
            } else if (job.method == "copy-image" && job.all_must_succeed) {
                std::vector<Location> kept;
                for (const Location& location : image->locations)
                    (std::find(job.stores.begin(), job.stores.end(), location.store) == job.stores.end() ? kept : removed).push_back(location);
                replace_locations(tx, job.image_id, kept);
            }
        }
        if (job.method == "glance-direct") removed.push_back(staged_location(app_, job.image_id));
        note_removals(tx, app_, job.image_id, removed);
        end_task(tx, job.task_id, why);
    });
    remove_noted(store_, app_, removed);
}

}  // namespace pilvi::image
