#pragma once
// The inspector in a jail: a process of its own for each inspection (pilvi-image-inspect), which may compute and talk over one socket, and nothing else: no
// files, no network, no new processes; limits on time, memory, what it reads and what it says. Whatever a file does to the parsers stays there.
#include <chrono>
#include <string>

#include "domain/inspect.h"

namespace pilvi::image {

// What the worker says over its socket, little-endian. Worker: 'R' u64 offset, u32 size; daemon: u32 size and the bytes. Worker, at the end: 'F' and a
// Finding as five fields: format, archive, unsafe, archive_unsafe (each u16 size and bytes), virtual size (u8 present, u64).
namespace jail {
constexpr std::uint32_t most_read = 4u << 20;    // of one request
constexpr std::uint64_t most_total = 64u << 20;  // of one inspection
constexpr std::uint16_t most_text = 1024;        // of one field
constexpr std::uint64_t memory = 256u << 20;     // address space of the worker
constexpr std::uint64_t cpu_seconds = 5;
}  // namespace jail

class JailedInspector {
public:
    // `program`: path of pilvi-image-inspect. Throws Error(unavailable) where it cannot be executed.
    explicit JailedInspector(std::string program, std::chrono::milliseconds limit = std::chrono::seconds(20));
    // What inspect() gives. Never throws on any content: data that breaks the worker or its limits is a Finding with `unsafe`.
    // Throws Error(unavailable) where no process can be started, and what `source` throws.
    Finding inspect(const Source& source) const;

private:
    std::string program_;
    std::chrono::milliseconds limit_;
};

// Of the program that this process runs: its directory + "/pilvi-image-inspect".
std::string inspector_beside_this_program();

}  // namespace pilvi::image
