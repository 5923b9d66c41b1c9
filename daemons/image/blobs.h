#pragma once
// Image data on the disk: one file per image, named by its id, complete or not there. Uploads grow in incoming/ and are renamed when they are whole and
// synced, so that what the database calls active is there after a power cut.
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/fd.h"
#include "domain/inspect.h"

namespace pilvi::image {

// A file as the inspector sees it.
class FileSource final : public Source {
public:
    FileSource(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
    std::uint64_t size() const override { return size_; }
    std::string read(std::uint64_t offset, std::size_t size) const override;

private:
    int fd_;
    std::uint64_t size_;
};

class Blobs {
public:
    // Makes the directories. Throws Error(unavailable) where that fails.
    Blobs(std::string directory, bool sync);

    // An upload in progress; its file goes unless it is kept.
    class Incoming {
    public:
        Incoming(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
        Incoming(Incoming&&) = default;
        ~Incoming();
        int fd() const { return fd_.get(); }

    private:
        friend class Blobs;
        std::string path_;
        UniqueFd fd_;
    };
    Incoming begin(const std::string& id) const;
    // Syncs and renames to the image's place.
    void keep(Incoming incoming, const std::string& id) const;
    std::optional<UniqueFd> open(const std::string& id, std::uint64_t& size) const;
    // Readers that have it open go on reading.
    void remove(const std::string& id) const;
    // Removes unfinished uploads and files of ids that are not in `known`; returns how many. For the start, when nothing is in work.
    std::size_t remove_orphans(const std::set<std::string>& known) const;

private:
    std::string place(const std::string& id) const { return directory_ + "/" + id; }
    void sync_directory() const;
    std::string directory_;
    bool sync_;
};

}  // namespace pilvi::image
