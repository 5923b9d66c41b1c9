#pragma once
// qemu-img, always with the format that our database says, and with limits on memory, processor time and size for what guests or users wrote.
#include <cstdint>
#include <string>

#include "command/command.h"

namespace pilvi::compute_agent {

struct DiskInfo {
    std::int64_t virtual_size = 0;  // bytes
    bool has_backing_file = false;
    bool has_data_file = false;
};

class QemuImg {
public:
    explicit QemuImg(CommandRunner& runner) : runner_(runner) {}
    // Throws Error(bad_request) where the file is not of `format`.
    DiskInfo info(const std::string& path, const std::string& format);
    // `from` (a file without backing or data file) to a sparse raw file `to`.
    void convert_to_raw(const std::string& from, const std::string& format, const std::string& to);
    // A qcow2 overlay of `size` bytes over `backing`.
    void create_overlay(const std::string& path, const std::string& backing, const std::string& backing_format, std::int64_t size);

private:
    CommandRunner& runner_;
};

// What a raw file of an image must pass before it is used: throws Error(bad_request) naming what is wrong.
void refuse_references(const DiskInfo& info);

}  // namespace pilvi::compute_agent
