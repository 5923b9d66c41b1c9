#pragma once
// What is done with image data stands in the database before it is done: an upload before its first byte, a removal before the data goes. Whoever comes
// after a death in the middle ends it, and touches no data that the database does not name.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "image.h"
#include "model.h"

namespace pilvi::image {

// The staging area among the names of stores, none of which has a colon.
constexpr std::string_view staging_area = ":staging";
// The store of that name, or the staging area; nullptr where there is none.
ImageStore* store_named(const App& app, std::string_view name);

// One upload into one store: a row of uploads, the data, and then either an image's location or nothing.
class Intake {
public:
    // `holds`: the status that the image has because of this upload ("saving", "uploading"), "" where an import has it. `database` and `app` live longer.
    Intake(Store& database, const App& app, std::string store, std::string image_id, std::string_view holds);
    ~Intake();  // gives up what is not settled; what cannot be removed now goes soon
    Intake(const Intake&) = delete;
    Intake& operator=(const Intake&) = delete;

    // In the transaction that gives the image to this upload. Throws Error(conflict) where another one to the same place is in work.
    void announce(Tx& tx);
    // After announce() was committed. Throws as ImageStore::begin() does.
    Upload& upload();
    // Upload::commit().
    Location commit();
    // In the transaction that makes the data the image's. False where this upload was taken for lost, or the image is gone: then nothing of it is left.
    bool settle(Tx& tx);
    // The data goes, then the row; the image that it held is queued again.
    void abandon() noexcept;

private:
    Store& database_;
    const App& app_;
    ImageStore& store_;
    const std::string name_, image_id_, token_, holds_;
    bool settled_ = false, announced_ = false, committing_ = false;
    std::unique_ptr<Upload> upload_;
};

// Ends an upload that nobody is at any more. Throws what the store throws: then the row stays. False where it had ended already.
bool end_upload(Store& database, const App& app, const Row& upload);

// In the transaction that takes the locations from an image: their data is to go. Stores that are read-only keep theirs.
void note_removals(Tx& tx, const App& app, const std::string& image_id, const std::vector<Location>& locations);
// The staged data of an image, if any.
Location staged_location(const App& app, const std::string& image_id);
// After note_removals() was committed. Failures are logged; what stays is tried again.
void remove_noted(Store& database, const App& app, const std::vector<Location>& locations);

}  // namespace pilvi::image
