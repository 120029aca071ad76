//! The fields of a listing.

use super::facts::ListingMaker;
use super::make_role;
use super::plausible::{ORIGIN, anything, member, sometimes};
use crate::dice::salt;
use crate::fields::{DECIMAL_ONE, Value};
use crate::fields::{Field, Kind};
use crate::world::Dwelling;
use crate::world::words;
use crate::world::{Address, Listing};

type Make = ListingMaker;

/// Returns the maker of a field.
pub fn maker(name: &str, kind: Kind) -> Make {
    make_role::maker(name)
        .or_else(|| identity(name))
        .or_else(|| address(name))
        .or_else(|| sale(name))
        .or_else(|| building(name))
        .unwrap_or_else(|| rest(name, kind))
}

fn null(_: &Listing<'_>, _: &Field) -> Value {
    Value::Null
}

fn int(n: Option<i64>) -> Value {
    n.map_or(Value::Null, Value::Int)
}

fn whole(n: Option<i64>) -> Value {
    n.map_or(Value::Null, Value::whole)
}

fn date(day: Option<i64>) -> Value {
    day.map_or(Value::Null, Value::Date)
}

fn identity(name: &str) -> Option<Make> {
    Some(match name {
        "ListingKeyNumeric" => |l, _| Value::Int(l.key),
        "ListingKey" | "ListingId" | "OriginatingSystemKey" | "SourceSystemKey" => {
            |l, _| Value::owned(l.key.to_string())
        }
        "OriginatingSystemName" | "SourceSystemName" => |_, _| Value::text(ORIGIN),
        "OriginatingSystemID" | "SourceSystemID" => |_, _| Value::text("M00000628"),
        "PhotosCount" => |l, _| Value::Int(l.photos as i64),
        "ModificationTimestamp" => |l, _| Value::seconds(l.timestamp),
        "StatusChangeTimestamp" => {
            |l, _| Value::seconds(before(l, salt!("status change"), 4 * 3_600))
        }
        "PhotosChangeTimestamp" => |l, _| {
            if l.photos == 0 {
                Value::Null
            } else {
                Value::seconds(before(l, salt!("photos change"), 86_400))
            }
        },
        "PriceChangeTimestamp" => |l, _| {
            if l.original_price == l.list_price {
                Value::Null
            } else {
                Value::seconds(before(l, salt!("price change"), 3 * 86_400))
            }
        },
        "OriginalEntryTimestamp" => {
            |l, _| Value::seconds((l.on_market * 86_400 - 3_000).min(l.timestamp))
        }
        "ImageStatus" => |l, _| {
            if l.photos == 0 {
                Value::Null
            } else {
                Value::text("Complete")
            }
        },
        "CopyrightNotice" => |_, _| Value::text("\u{a9} simulated data, no real listing"),
        "Disclaimer" => |_, _| {
            Value::text(
                "Information deemed reliable but not guaranteed; it was made up by a simulator.",
            )
        },
        _ => return None,
    })
}

/// Returns a time up to `at_most` seconds before the listing's timestamp.
fn before(l: &Listing<'_>, salt: u64, at_most: u64) -> i64 {
    let at_most = if l.index >= l.base.listings {
        0
    } else {
        at_most
    };
    l.timestamp - l.dice.below(salt, at_most) as i64
}

fn address(name: &str) -> Option<Make> {
    Some(match name {
        "StreetNumber" => |l, _| Value::owned(street_number(l).to_string()),
        "StreetNumberNumeric" => |l, _| Value::Int(street_number(l)),
        "StreetDirPrefix" => |l, field| match &l.address {
            Address::Grid { prefix, .. } => member(field, prefix),
            Address::Named { prefix, .. } => {
                prefix.map_or(Value::Null, |prefix| member(field, prefix))
            }
        },
        "StreetName" => |l, _| match &l.address {
            Address::Grid { cross, .. } => Value::owned(cross.to_string()),
            Address::Named { street, .. } => Value::text(street),
        },
        "StreetSuffix" => |l, field| match &l.address {
            Address::Grid { .. } => Value::Null,
            Address::Named { suffix, .. } => member(field, suffix),
        },
        "CrossStreet" => |l, _| match &l.address {
            Address::Grid { cross, .. } => Value::owned(cross.to_string()),
            Address::Named { .. } => Value::Null,
        },
        "StreetDirSuffix" => |l, field| match &l.address {
            Address::Grid { suffix, .. } => member(field, suffix),
            Address::Named { .. } => Value::Null,
        },
        "UnitNumber" => |l, _| {
            l.unit
                .map_or(Value::Null, |unit| Value::owned(unit.to_string()))
        },
        "UnparsedAddress" => |l, _| Value::owned(l.one_line()),
        "City" | "PostalCity" => |l, field| member(field, l.place.city),
        "CountyOrParish" => |l, field| member(field, l.place.county),
        "PostalCode" => |l, _| Value::text(l.postal_code()),
        "PostalCodePlus4" | "StreetAdditionalInfo" | "StreetSuffixModifier" => null,
        "StateOrProvince" => |_, field| member(field, "UT"),
        "Country" => |_, field| member(field, "US"),
        "ElementarySchoolDistrict" | "HighSchoolDistrict" | "MiddleOrJuniorSchoolDistrict" => {
            |l, field| member(field, l.place.district)
        }
        "GeoLocation" => |l, _| {
            let (longitude, latitude) = l.coordinates();
            Value::Point(longitude, latitude)
        },
        "ParcelNumber" => |l, field| {
            Value::owned(format!(
                "{:02}-{:03}-{:04}",
                l.dice.below(field.salt, 60),
                l.dice.below(field.salt ^ 1, 1_000),
                l.dice.below(field.salt ^ 2, 10_000)
            ))
        },
        "SubdivisionName" => {
            |l, field| Value::text(l.dice.pick(field.salt, crate::world::SUBDIVISIONS))
        }
        "Directions" => |l, field| {
            sometimes(l.dice, field, 0.5, || {
                Value::text(words::sentence(l.dice, field.salt))
            })
        },
        _ => return None,
    })
}

fn street_number(l: &Listing<'_>) -> i64 {
    match l.address {
        Address::Grid { number, .. } | Address::Named { number, .. } => number,
    }
}

fn sale(name: &str) -> Option<Make> {
    Some(match name {
        "StandardStatus" => |l, field| member(field, l.status_names().0),
        "MlsStatus" => |l, field| member(field, l.status_names().1),
        "PropertyType" => |l, field| member(field, l.type_names().0),
        "PropertySubType" => |l, field| member(field, l.type_names().1),
        "ListPrice" => |l, _| Value::whole(l.list_price),
        "OriginalListPrice" => |l, _| Value::whole(l.original_price),
        "ClosePrice" => |l, _| whole(l.close_price),
        "LeaseAmount" => |l, _| whole((l.dwelling == Dwelling::Rental).then_some(l.list_price)),
        "CloseDate" => |l, _| date(l.closed),
        "PurchaseContractDate" | "ContingentDate" => |l, _| date(l.contract),
        "OffMarketDate" => |l, _| date(l.off_market),
        "OnMarketDate" | "ListingContractDate" => |l, _| Value::Date(l.on_market),
        "ContractStatusChangeDate" => |l, _| date(l.contract.or(l.off_market)),
        "WithdrawnDate" => |l, _| date(l.off_market.filter(|_| l.status_names().0 == "Withdrawn")),
        "CancellationDate" => {
            |l, _| date(l.off_market.filter(|_| l.status_names().0 == "Canceled"))
        }
        "DaysOnMarket" | "CumulativeDaysOnMarket" => |l, _| {
            let until = l
                .contract
                .or(l.off_market)
                .unwrap_or(l.timestamp.div_euclid(86_400));
            Value::Int((until - l.on_market).clamp(0, 9_999))
        },
        "ConcessionsAmount" => |l, field| match l.closed {
            Some(_) => Value::Int(l.dice.between(field.salt, 0, 20) * 500),
            None => Value::Null,
        },
        "Concessions" => |l, field| l.closed.map_or(Value::Null, |_| anything(l.dice, 0, field)),
        "BuyerFinancing" => |l, field| l.closed.map_or(Value::Null, |_| anything(l.dice, 0, field)),
        "ListingService" => |_, field| member(field, "FullService"),
        "PublicRemarks" => |l, _| {
            if l.dice.chance(salt!("no remarks"), 0.02) {
                Value::Null
            } else {
                Value::owned(words::remarks(l.dice, l.base.remarks_length))
            }
        },
        "Inclusions" | "Exclusions" => |l, field| {
            sometimes(l.dice, field, 0.3, || {
                Value::text("Ceiling Fan; Dryer; Range; Refrigerator; Window Coverings")
            })
        },
        "IdxContactInformation" | "VowContactInformation" => |l, _| Value::owned(l.agent.phone(1)),
        "ShowingContactName" => |l, _| Value::owned(l.agent.full_name()),
        "ShowingContactPhone" => |l, _| Value::owned(l.agent.phone(1)),
        "VirtualTourURLUnbranded" => |l, field| {
            sometimes(l.dice, field, 0.3, || {
                Value::owned(format!(
                    "https://tours.example/{}/?mls=1&quality=high",
                    l.key
                ))
            })
        },
        "InternetEntireListingDisplayYN" | "SearchableYN" => |_, _| Value::Flag(true),
        _ => return None,
    })
}

fn building(name: &str) -> Option<Make> {
    Some(match name {
        "BedroomsTotal" => |l, _| Value::Int(l.bedrooms),
        "MainLevelBedrooms" => |l, _| int(l.has_building().then_some(l.bedrooms.min(2))),
        "BathroomsFull" => |l, _| Value::Int(l.full_baths),
        "BathroomsHalf" => |l, _| Value::Int(l.half_baths),
        "BathroomsTotalInteger" => |l, _| Value::Int(l.full_baths + l.half_baths),
        "BathroomsThreeQuarter" | "BathroomsPartial" | "BathroomsOneQuarter" => {
            |l, _| int(l.has_building().then_some(0))
        }
        "RoomsTotal" => |l, _| int(l.has_building().then_some(l.bedrooms + l.full_baths + 5)),
        "LivingArea" | "BuildingAreaTotal" => |l, _| whole(l.has_building().then_some(l.area)),
        "AboveGradeFinishedArea" => |l, _| whole(l.has_building().then_some(l.area * 2 / 3)),
        "LivingAreaUnits" => |_, field| member(field, "SquareFeet"),
        "LotSizeUnits" => |_, field| member(field, "Acres"),
        "LotSizeAcres" | "LotSizeArea" => {
            |l, _| Value::Decimal(l.acres_in_hundredths * DECIMAL_ONE / 100)
        }
        "LotSizeSquareFeet" => {
            |l, _| Value::Decimal(l.acres_in_hundredths * 43_560 * (DECIMAL_ONE / 100))
        }
        "LotSizeDimensions" => |_, _| Value::text("0.0x0.0x0.0"),
        "YearBuilt" => |l, _| int(l.has_building().then_some(l.year_built)),
        "YearBuiltEffective" => |l, field| {
            int((l.has_building() && l.dice.chance(field.salt, 0.3))
                .then_some(l.year_built.max(1_990)))
        },
        "Stories" | "StoriesTotal" => |l, _| int(l.has_building().then_some(1 + l.bedrooms / 3)),
        "GarageSpaces" | "ParkingTotal" | "CoveredSpaces" => {
            |l, _| Value::whole(l.dice.between(salt!("garage"), 0, 3))
        }
        "CarportSpaces" | "OpenParkingSpaces" => {
            |l, field| Value::whole(l.dice.between(field.salt, 0, 4))
        }
        "GarageYN" => |l, _| Value::Flag(l.dice.between(salt!("garage"), 0, 3) > 0),
        "FireplacesTotal" => |l, _| Value::Int(l.dice.between(salt!("fireplaces"), 0, 2)),
        "FireplaceYN" => |l, _| Value::Flag(l.dice.between(salt!("fireplaces"), 0, 2) > 0),
        "BasementFinished" => |l, field| {
            int(l
                .has_building()
                .then(|| l.dice.between(field.salt, 0, 20) * 5))
        },
        "TaxAnnualAmount" => |l, _| Value::whole(l.list_price / 190),
        "AssociationFee" => |l, _| match l.unit {
            Some(_) => Value::whole(l.dice.between(salt!("fee"), 8, 90) * 5),
            None => Value::whole(0),
        },
        "AssociationYN" => |l, _| Value::Flag(l.unit.is_some()),
        "AssociationName" => |l, field| {
            l.unit.map_or(Value::Null, |_| {
                Value::owned(format!(
                    "{} HOA",
                    l.dice.pick(field.salt, crate::world::STREETS)
                ))
            })
        },
        "AssociationFeeFrequency" => {
            |l, field| l.unit.map_or(Value::Null, |_| member(field, "Monthly"))
        }
        "NumberOfUnitsTotal" => |l, _| match l.dwelling {
            Dwelling::Multi(units) => Value::Int(i64::from(units)),
            _ => Value::Null,
        },
        "AduYN" => |l, _| Value::Flag(l.base.children(crate::fields::Set::Adu, l.index) > 0),
        "LevelData" => |l, _| {
            if !l.has_building() {
                return Value::Null;
            }
            Value::owned(format!(
                "[{{\"level\":\"Main\",\"beds\":{},\"sqft\":{}}},{{\"level\":\"Bsmt\",\"beds\":{},\"sqft\":{}}}]",
                l.bedrooms.min(2),
                l.area * 2 / 3,
                (l.bedrooms - 2).max(0),
                l.area / 3
            ))
        },
        _ => return None,
    })
}

/// Makes a field without a rule of its own: a random value of its type. Fields for mobile
/// homes, businesses and the like are nearly always empty.
fn rest(name: &str, kind: Kind) -> Make {
    let is_rare = [
        "Serial",
        "License",
        "DOH",
        "Mobile",
        "Make",
        "Model",
        "Solar",
        "Park",
        "Buyer",
        "CoBuyer",
        "WaterBody",
        "RVParking",
        "CapRate",
        "YearEstablished",
        "NumberOf",
        "PowerProduction",
    ];
    if matches!(kind, Kind::Text | Kind::Int32 | Kind::Decimal)
        && is_rare.iter().any(|start| name.starts_with(start))
    {
        return |l, field| sometimes(l.dice, field, 0.02, || anything(l.dice, l.timestamp, field));
    }
    |l, field| anything(l.dice, l.timestamp, field)
}
