//! Descriptions of the most used fields, for feeds that do not describe them. They follow
//! the RESO Data Dictionary 2.0 and the values that WFRMLS sends.

use crate::resource::Resource;

/// Returns the meaning of a field, if the glossary has it.
pub(super) fn meaning(resource: Resource, field: &str) -> Option<&'static str> {
    let own: &[(&str, &str)] = match resource {
        Resource::Property => PROPERTY,
        Resource::Media => MEDIA,
        Resource::OpenHouse => OPEN_HOUSE,
        _ => &[],
    };
    let mut all = own.iter().chain(EVERYWHERE);
    let found = all.find(|(name, _)| *name == field);
    found.map(|(_, meaning)| *meaning)
}

const EVERYWHERE: &[(&str, &str)] = &[
    ("ListingId", "The listing's number as people know it"),
    ("ListingKey", "The key of the listing"),
    ("ListingKeyNumeric", "The key of the listing, as a number"),
    ("MemberKey", "The key of the agent"),
    ("MemberFullName", "The agent's name"),
    ("OfficeKey", "The key of the office"),
    ("OfficeName", "The office's name"),
    (
        "ModificationTimestamp",
        "When the record last changed, by the feed's clock; syncs follow it",
    ),
    (
        "OriginalEntryTimestamp",
        "When the record was first entered into the MLS",
    ),
    (
        "OriginatingSystemName",
        "The MLS where the record was entered",
    ),
    ("SourceSystemName", "The system that sent the record"),
];

const PROPERTY: &[(&str, &str)] = &[
    (
        "ListingKey",
        "The key of the listing: no other has it, and it stays",
    ),
    (
        "StandardStatus",
        "Where the sale stands, in RESO's own words",
    ),
    ("MlsStatus", "Where the sale stands, in the MLS's words"),
    ("PropertyType", "Residential, land, lease and so on"),
    (
        "PropertySubType",
        "A house, a condominium, a townhouse and so on",
    ),
    ("ListPrice", "The price that is asked now"),
    ("OriginalListPrice", "The price that was asked at first"),
    ("ClosePrice", "The price at which it was sold"),
    ("CloseDate", "The day on which the sale closed"),
    (
        "ListingContractDate",
        "The day on which seller and broker agreed",
    ),
    ("OnMarketDate", "The day on which it came on the market"),
    ("OffMarketDate", "The day on which it left the market"),
    (
        "PurchaseContractDate",
        "The day on which buyer and seller agreed",
    ),
    ("WithdrawnDate", "The day on which it was withdrawn"),
    (
        "CancellationDate",
        "The day on which the listing was cancelled",
    ),
    (
        "ContingentDate",
        "The day on which an offer with conditions was taken",
    ),
    ("StatusChangeTimestamp", "When its status last changed"),
    ("PriceChangeTimestamp", "When its price last changed"),
    ("PhotosChangeTimestamp", "When its photos last changed"),
    ("PhotosCount", "How many photos the listing says it has"),
    ("DaysOnMarket", "Days on the market, as the MLS counts them"),
    (
        "CumulativeDaysOnMarket",
        "Days on the market, those of earlier listings included",
    ),
    ("BedroomsTotal", "Bedrooms"),
    (
        "BathroomsTotalInteger",
        "Bathrooms, whole and partial ones, each as one",
    ),
    ("BathroomsFull", "Bathrooms with all fixtures"),
    ("BathroomsHalf", "Bathrooms with a sink and a toilet"),
    ("LivingArea", "Area to live in, in LivingAreaUnits"),
    ("LivingAreaUnits", "The unit of LivingArea"),
    ("BuildingAreaTotal", "Area of the whole building"),
    ("AboveGradeFinishedArea", "Finished area above the ground"),
    ("LotSizeAcres", "The lot, in acres"),
    ("LotSizeSquareFeet", "The lot, in square feet"),
    ("LotSizeArea", "The lot, in LotSizeUnits"),
    ("YearBuilt", "The year in which it was built"),
    ("Stories", "Floors above the ground"),
    ("GarageSpaces", "Cars that the garage holds"),
    ("CarportSpaces", "Cars that the carport holds"),
    (
        "NewConstructionYN",
        "Whether it is new and was never lived in",
    ),
    ("HorseYN", "Whether horses may be kept"),
    ("SeniorCommunityYN", "Whether it is for seniors only"),
    (
        "AssociationYN",
        "Whether there is a homeowners' association",
    ),
    (
        "AssociationFee",
        "What the association asks for, every AssociationFeeFrequency",
    ),
    ("AssociationFeeFrequency", "How often AssociationFee is due"),
    ("TaxAnnualAmount", "Property tax of a year"),
    ("ParcelNumber", "The county's number for the parcel"),
    ("StreetNumber", "The number of the house"),
    ("StreetDirPrefix", "The direction before the street's name"),
    ("StreetName", "The street's name; on Utah's grid a number"),
    (
        "StreetSuffix",
        "What stands behind the street's name: ST, AVE, CV",
    ),
    ("StreetDirSuffix", "The direction behind the street's name"),
    ("CrossStreet", "On Utah's grid, the other coordinate"),
    ("UnitNumber", "The number of the unit"),
    ("UnparsedAddress", "The address as one text"),
    ("City", "The city"),
    ("StateOrProvince", "The state or province"),
    ("PostalCode", "The ZIP or postal code"),
    ("CountyOrParish", "The county or parish"),
    ("SubdivisionName", "The subdivision or neighbourhood"),
    (
        "GeoLocation",
        "Where it is, as a GeoJSON point: longitude, then latitude",
    ),
    ("Latitude", "Degrees north"),
    ("Longitude", "Degrees east"),
    ("ElementarySchool", "The elementary school"),
    ("HighSchool", "The high school"),
    ("ListAgentKey", "The key of the agent who lists it"),
    ("ListAgentFullName", "The agent who lists it"),
    ("ListAgentMlsId", "The number of the agent who lists it"),
    ("ListOfficeKey", "The key of the office that lists it"),
    ("ListOfficeName", "The office that lists it"),
    (
        "ListOfficePhone",
        "The telephone of the office that lists it",
    ),
    ("BuyerAgentFullName", "The agent of the buyer"),
    ("BuyerOfficeName", "The office of the buyer's agent"),
    ("BuyerFinancing", "How the buyer paid"),
    (
        "PublicRemarks",
        "What the agent writes about it for everybody",
    ),
    ("Directions", "How to get there"),
    ("Disclaimer", "What has to be shown with the listing"),
    ("CopyrightNotice", "Whose the data is; to be shown with it"),
    (
        "InternetEntireListingDisplayYN",
        "Whether the listing may be shown on the internet at all",
    ),
    (
        "InternetAddressDisplayYN",
        "Whether its address may be shown on the internet",
    ),
    (
        "InternetAutomatedValuationDisplayYN",
        "Whether an automatic valuation may stand beside it",
    ),
    (
        "InternetConsumerCommentYN",
        "Whether visitors may comment on it",
    ),
    ("VirtualTourURLUnbranded", "A tour that names no agent"),
    ("VirtualTourURLBranded", "A tour that names the agent"),
];

const MEDIA: &[(&str, &str)] = &[
    ("MediaKey", "The key of the table"),
    ("MediaURL", "Where the file is; it may expire"),
    ("MediaCategory", "Photo, document, tour and so on"),
    ("MediaType", "What kind of file it is"),
    (
        "MediaModificationTimestamp",
        "When the file itself last changed",
    ),
    (
        "Order",
        "Its place among the listing's photos; the first one leads",
    ),
    (
        "ResourceName",
        "Of which resource the record is that it belongs to",
    ),
    (
        "ResourceRecordKey",
        "The key of the record that it belongs to",
    ),
    (
        "ResourceRecordID",
        "The number of the record that it belongs to",
    ),
    ("ShortDescription", "Its caption"),
    ("LongDescription", "What it shows, in more words"),
    ("Permission", "Who may see it"),
];

const OPEN_HOUSE: &[(&str, &str)] = &[
    ("OpenHouseKey", "The key of the table"),
    (
        "OpenHouseDate",
        "The day in UTC; the local day is that of OpenHouseStartTime",
    ),
    ("OpenHouseStartTime", "When it begins, in UTC"),
    ("OpenHouseEndTime", "When it ends, in UTC"),
    ("OpenHouseStatus", "Whether it is on, over or cancelled"),
    ("OpenHouseType", "For whom it is: the public, brokers"),
    ("OpenHouseRemarks", "What visitors should know"),
    ("VirtualURL", "Where it can be seen from afar"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_told_once_and_in_a_line() {
        for own in [PROPERTY, MEDIA, OPEN_HOUSE, EVERYWHERE] {
            let mut names: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), own.len());
            for (name, meaning) in own {
                assert!((3..80).contains(&meaning.len()), "{name}");
                assert!(!meaning.ends_with('.'), "{name}");
            }
        }
        let of_listing = meaning(Resource::Property, "ListingKey");
        assert_ne!(of_listing, meaning(Resource::Media, "ListingKey"));
        assert_eq!(meaning(Resource::Property, "NoSuchField"), None);
    }
}
