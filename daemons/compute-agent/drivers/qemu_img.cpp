#include "drivers/qemu_img.h"

#include <array>

#include "base/error.h"
#include "base/json.h"

namespace pilvi::compute_agent {
namespace {

constexpr std::array known_formats{"raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed"};

// glance's names are qemu's but for "vhd".
std::string qemu_format(const std::string& format) {
    const std::string name = format == "vhd" ? "vpc" : format == "ami" || format == "ari" || format == "aki" || format == "iso" ? "raw" : format;
    for (const char* known : known_formats)
        if (name == known) return name;
    throw Error(Errc::bad_request, "Images of the format " + format + " cannot be used as a disk");
}

// A crafted image makes qemu-img eat memory and time. The limit is on what it can write to: address space is reserved by each of its threads, and a busy
// disk makes it start many.
std::vector<std::string> limited(int cpu_seconds, std::vector<std::string> argv) {
    std::vector<std::string> out{"/usr/bin/prlimit", "--data=1073741824", "--cpu=" + std::to_string(cpu_seconds), "--", "/usr/bin/qemu-img"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
}

// ":" and "," have a meaning in qemu's file names; a path that starts with "/" and a "file:" in front has none.
std::string file(const std::string& path) { return "file:" + path; }

}  // namespace

DiskInfo QemuImg::info(const std::string& path, const std::string& format) {
    const CommandResult result = runner_.run({.argv = limited(30, {"info", "--output=json", "-f", qemu_format(format), file(path)})});
    if (result.status != 0) throw Error(Errc::bad_request, "The image is not a valid " + format + " file");
    const json::value document = parse_json(result.out);
    const json::object& o = document.as_object();
    DiskInfo info;
    info.virtual_size = integer_or(o, "virtual-size", -1);
    info.has_backing_file = o.contains("backing-filename") || o.contains("full-backing-filename");
    if (const json::value* data = find_path(document, "format-specific.data.data-file")) info.has_data_file = !data->is_null();
    // A VMDK descriptor names its extents: more than the file itself is a reference to another file.
    if (const json::value* extents = find_path(document, "format-specific.data.extents"); extents && extents->is_array())
        for (const json::value& extent : extents->as_array())
            if (extent.is_object() && string_or(extent.as_object(), "filename") != path && string_or(extent.as_object(), "filename") != file(path))
                info.has_data_file = true;
    if (info.virtual_size < 0) throw Error(Errc::bad_request, "The image does not say its size");
    return info;
}

void QemuImg::convert_to_raw(const std::string& from, const std::string& format, const std::string& to) {
    runner_.check(
        Command{.argv = limited(1800, {"convert", "-f", qemu_format(format), "-O", "raw", file(from), file(to)}), .limit = std::chrono::hours(1)});
}

void QemuImg::create_overlay(const std::string& path, const std::string& backing, const std::string& backing_format, std::int64_t size) {
    runner_.check(
        Command{.argv = limited(30, {"create", "-q", "-f", "qcow2", "-F", qemu_format(backing_format), "-b", backing, path, std::to_string(size)})});
}

void refuse_references(const DiskInfo& info) {
    if (info.has_backing_file) throw Error(Errc::bad_request, "The image refers to a backing file");
    if (info.has_data_file) throw Error(Errc::bad_request, "The image refers to an external data file");
}

}  // namespace pilvi::compute_agent
