#pragma once
// The files that machines are started from: served only as they were when their digests were taken.
#include <sys/stat.h>

#include <map>
#include <string>

#include "base/fd.h"

namespace pilvi::cli {

class Media {
public:
    // Reads the directory's SHA256SUMS and compares every file that it names with its digest. Error(not_found) where one is missing, Error(conflict)
    // where one differs: it was cut short or changed.
    explicit Media(std::string directory);

    struct File {
        std::string sha256;
        struct ::stat state = {};
    };
    // Error(not_found) for a name that SHA256SUMS has not.
    const File& file(const std::string& name) const;
    // The file for reading. Error(unavailable) where it is not the one any more that was compared.
    UniqueFd open(const std::string& name) const;

private:
    std::string directory_;
    std::map<std::string, File> files_;
};

}  // namespace pilvi::cli
