#include "drivers/config_drive.h"

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace pilvi::compute_agent {
namespace {

namespace fs = std::filesystem;

json::object guest_meta_data(const json::object& metadata, const std::string& random_seed) {
    json::object meta = object_or_empty(metadata, "meta_data");
    meta["random_seed"] = random_seed;
    json::object public_keys;
    for (const json::value& key : array_or_empty(meta, "keys"))
        if (key.is_object()) public_keys[string_or(key.as_object(), "name")] = string_or(key.as_object(), "data");
    if (!public_keys.empty()) meta["public_keys"] = std::move(public_keys);
    return meta;
}

json::object ec2_meta_data(const json::object& metadata) {
    json::object ec2 = object_or_empty(metadata, "ec2");
    const json::object& meta = object_or_empty(metadata, "meta_data");
    const std::string hostname = string_or(meta, "hostname");
    for (const char* name : {"hostname", "local-hostname", "public-hostname"}) ec2[name] = hostname;
    ec2["instance-action"] = "none";
    ec2["ami-launch-index"] = integer_or(meta, "launch_index");
    ec2["ami-manifest-path"] = "FIXME";  // the original's value; guests have come to see it
    ec2["placement"] = json::object{{"availability-zone", string_or(meta, "availability_zone")}};
    std::int64_t index = 0;
    json::object keys;
    for (const json::value& key : array_or_empty(meta, "keys"))
        if (key.is_object())
            keys[std::to_string(index++)] =
                json::object{{"_name", "0=" + string_or(key.as_object(), "name")}, {"openssh-key", string_or(key.as_object(), "data")}};
    if (!keys.empty()) ec2["public-keys"] = std::move(keys);
    return ec2;
}

}  // namespace

std::map<std::string, std::string> config_drive_files(const json::object& metadata, const std::string& random_seed) {
    std::map<std::string, std::string> files;
    std::optional<std::string> user_data;
    if (const auto text = optional_string(metadata, "user_data")) user_data = base64_decode(*text);
    const json::object meta = guest_meta_data(metadata, random_seed);
    for (const std::string version : {"2018-08-27", "latest"}) {
        const std::string base = "openstack/" + version + "/";
        files[base + "meta_data.json"] = to_text(meta);
        for (const std::string name : {"network_data", "vendor_data", "vendor_data2"})
            files[base + name + ".json"] = to_text(object_or_empty(metadata, name));
        if (user_data) files[base + "user_data"] = *user_data;
    }
    const json::object ec2 = ec2_meta_data(metadata);
    for (const std::string version : {"2009-04-04", "latest"}) {
        files["ec2/" + version + "/meta-data.json"] = to_text(ec2);
        if (user_data) files["ec2/" + version + "/user-data"] = *user_data;
    }
    return files;
}

void make_config_drive(CommandRunner& runner, const std::map<std::string, std::string>& files, const std::string& scratch, const std::string& path) {
    fs::remove_all(scratch);
    fs::create_directories(scratch);
    fs::permissions(scratch, fs::perms::owner_all);
    try {
        for (const auto& [name, content] : files) {
            const fs::path file = fs::path(scratch) / name;
            fs::create_directories(file.parent_path());
            write_file(file.string(), content, 0644);
        }
        const std::string temporary = path + ".part";
        runner.check({"/usr/bin/genisoimage", "-quiet", "-o", temporary, "-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-J", "-r", "-V",
                      "config-2", "-publisher", "Pilvi", scratch});
        fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write);
        fs::rename(temporary, path);
    } catch (...) {
        fs::remove_all(scratch);
        throw;
    }
    fs::remove_all(scratch);
}

}  // namespace pilvi::compute_agent
