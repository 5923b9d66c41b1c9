// What an import does with the data before it goes into stores: unpack it, convert it, give the image properties. Programs get the formats by name, run
// under limits on time, memory and output, and only on data that the inspector has let pass.
#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/time.h"
#include "importer.h"
#include "locations.h"
#include "log/log.h"

namespace pilvi::image {
namespace {
constexpr std::string_view file_scheme = "file://";
constexpr std::uint64_t memory = 1ull << 30;  // bytes that a program may have for its data
constexpr auto time_limit = std::chrono::minutes(60);

std::string path_of(const std::string& location) { return location.substr(file_scheme.size()); }

// Where unfinished data lies, which goes at the next start: DIRECTORY/incoming/ID beside DIRECTORY/ID.
std::string beside(const std::string& location) {
    const std::filesystem::path path = path_of(location);
    return (path.parent_path() / "incoming" / path.filename()).string();
}

// QEMU's name of a disk format that it reads; "" where it is none to convert from.
std::string qemu_name(std::string_view disk_format) {
    constexpr std::pair<std::string_view, std::string_view> names[] = {{"raw", "raw"}, {"qcow2", "qcow2"}, {"vmdk", "vmdk"},
                                                                       {"vdi", "vdi"}, {"vhd", "vpc"},     {"vhdx", "vhdx"}};
    for (const auto& [ours, theirs] : names)
        if (ours == disk_format) return std::string(theirs);
    return {};
}

std::vector<std::string> limited(std::uint64_t output, std::vector<std::string> argv) {
    std::vector<std::string> out{"/usr/bin/prlimit", "--fsize=" + std::to_string(output), "--data=" + std::to_string(memory), "--core=0", "--"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
}

// A file beside the staged one, gone with this object.
struct Beside {
    std::string path;
    explicit Beside(std::string p) : path(std::move(p)) { std::filesystem::remove(path); }
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;
    ~Beside() {
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }
};

// What a program made takes the place of the staged data.
void adopt(const App& app, const std::string& made, const std::string& location, Imported& imported) {
    std::filesystem::rename(made, path_of(location));
    auto data = app.staging->open(location);
    if (!data) throw Error(Errc::internal, "the converted data is gone");
    imported.data = std::move(*data);
}

void save_formats(Store& store, const std::string& image_id, const Imported& imported) {
    store.write([&](Tx& tx) {
        tx.exec("UPDATE images SET disk_format = ?, container_format = ?, updated_at = ? WHERE id = ?",
                {imported.disk_format, imported.container_format, now_micros(), image_id});
    });
}
}  // namespace

void Importer::run_plugins(const ImportJob& job, Imported& imported) {
    try {
        if (options_.decompress && imported.container_format == "compressed") decompress(job, imported);
        if (!options_.convert.empty() && options_.convert != imported.disk_format) convert(job, imported);
    } catch (const Error& e) {
        if (e.code() != Errc::internal && e.code() != Errc::timeout) throw;
        // What the program said has paths of this machine in it: for the log, not for the caller.
        log::warning(e.message() + "; the import fails", {{"IMAGE_ID", job.image_id}});
        throw Error(Errc::unsupported_media, "The data could not be unpacked or converted");
    }
    inject(job);
}

void Importer::decompress(const ImportJob& job, Imported& imported) {
    if (app_.inspect(OpenedSource(imported.data)).archive != "gzip")
        throw Error(Errc::unsupported_media, "The data of a compressed image is not gzip, which is all that is unpacked here");
    const Beside packed(beside(imported.location) + ".gz"), unpacked(beside(imported.location));
    std::filesystem::create_hard_link(path_of(imported.location), packed.path);
    runner_.check(Command{.argv = limited(app_.size_cap, {"/usr/bin/gzip", "-d", "-k", "-f", packed.path}), .limit = time_limit});
    adopt(app_, unpacked.path, imported.location, imported);
    imported.container_format = "bare";
    check_contents(imported);
    save_formats(store_, job.image_id, imported);
}

void Importer::convert(const ImportJob& job, Imported& imported) {
    const std::string from = qemu_name(imported.disk_format);
    if (from.empty()) return;
    const Beside converted(beside(imported.location) + ".converted");
    runner_.check(Command{.argv = limited(app_.size_cap, {"/usr/bin/qemu-img", "convert", "-f", from, "-O", options_.convert,
                                                          path_of(imported.location), converted.path}),
                          .limit = time_limit});
    adopt(app_, converted.path, imported.location, imported);
    imported.disk_format = options_.convert;
    imported.container_format = "bare";
    save_formats(store_, job.image_id, imported);
}

void Importer::inject(const ImportJob& job) {
    for (const std::string& role : job.roles)
        if (std::find(options_.inject_ignored_roles.begin(), options_.inject_ignored_roles.end(), role) != options_.inject_ignored_roles.end())
            return;
    if (options_.inject.empty()) return;
    store_.write([&](Tx& tx) {
        if (!tx.one("SELECT 1 FROM images WHERE id = ?", {job.image_id})) return;
        set_properties(tx, job.image_id, {options_.inject.begin(), options_.inject.end()});
    });
}

}  // namespace pilvi::image
