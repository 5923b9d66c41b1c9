#pragma once
// A directory of a test's own, removed with everything in it at the end.
#include <cstdlib>
#include <filesystem>
#include <string>

namespace pilvi::testing {

class TempDir {
public:
    TempDir() : TempDir(std::filesystem::temp_directory_path()) {}
    explicit TempDir(const std::filesystem::path& base) {
        std::string pattern = (base / "pilvi-test-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) std::abort();
        path_ = pattern;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

// One in memory, where the system has /dev/shm: for databases of tests that are not about durability, where every commit waits for the disk.
class MemoryDir : public TempDir {
public:
    MemoryDir() : TempDir(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path()) {}
};

}  // namespace pilvi::testing
