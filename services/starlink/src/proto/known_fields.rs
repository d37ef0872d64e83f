//! The field numbers that `proto/device.proto` knows. Made from it by the test `generated`, which
//! says how to make them again.

use super::unknown::Known;

pub(super) const RESPONSE: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: STATUS },
    Known { number: 3, inside: &[] },
    Known { number: 2004, inside: DISH_GET_STATUS_RESPONSE },
    Known { number: 2006, inside: DISH_GET_HISTORY_RESPONSE },
    Known { number: 2008, inside: DISH_GET_OBSTRUCTION_MAP_RESPONSE },
];

const STATUS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
];

const DEVICE_INFO: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 8, inside: &[] },
    Known { number: 12, inside: &[] },
    Known { number: 15, inside: &[] },
];

const DEVICE_STATE: &[Known] = &[
    Known { number: 1, inside: &[] },
];

const DISH_GET_STATUS_RESPONSE: &[Known] = &[
    Known { number: 1, inside: DEVICE_INFO },
    Known { number: 2, inside: DEVICE_STATE },
    Known { number: 1002, inside: &[] },
    Known { number: 1003, inside: &[] },
    Known { number: 1004, inside: DISH_OBSTRUCTION_STATS },
    Known { number: 1005, inside: DISH_ALERTS },
    Known { number: 1007, inside: &[] },
    Known { number: 1008, inside: &[] },
    Known { number: 1009, inside: &[] },
    Known { number: 1010, inside: &[] },
    Known { number: 1011, inside: &[] },
    Known { number: 1012, inside: &[] },
    Known { number: 1014, inside: DISH_OUTAGE },
    Known { number: 1015, inside: DISH_GPS_STATS },
    Known { number: 1016, inside: &[] },
    Known { number: 1017, inside: &[] },
    Known { number: 1018, inside: &[] },
    Known { number: 1019, inside: DISH_READY_STATES },
    Known { number: 1020, inside: &[] },
    Known { number: 1021, inside: &[] },
    Known { number: 1022, inside: &[] },
    Known { number: 1024, inside: &[] },
    Known { number: 1026, inside: SOFTWARE_UPDATE_STATS },
    Known { number: 1027, inside: ALIGNMENT_STATS },
    Known { number: 1030, inside: &[] },
    Known { number: 1031, inside: &[] },
    Known { number: 1032, inside: &[] },
    Known { number: 1043, inside: DISH_UPSU_STATS },
    Known { number: 1044, inside: &[] },
    Known { number: 1045, inside: &[] },
    Known { number: 1048, inside: DISH_APS_STATS },
    Known { number: 1053, inside: &[] },
    Known { number: 1054, inside: DISH_BATTERY_STATS },
    Known { number: 1056, inside: &[] },
    Known { number: 2000, inside: DISH_CONFIG },
];

const DISH_OBSTRUCTION_STATS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 6, inside: &[] },
    Known { number: 7, inside: &[] },
    Known { number: 8, inside: &[] },
    Known { number: 9, inside: &[] },
    Known { number: 10, inside: &[] },
];

const DISH_ALERTS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 6, inside: &[] },
    Known { number: 7, inside: &[] },
    Known { number: 8, inside: &[] },
    Known { number: 9, inside: &[] },
    Known { number: 10, inside: &[] },
    Known { number: 11, inside: &[] },
    Known { number: 14, inside: &[] },
    Known { number: 16, inside: &[] },
    Known { number: 17, inside: &[] },
    Known { number: 18, inside: &[] },
    Known { number: 19, inside: &[] },
    Known { number: 20, inside: &[] },
    Known { number: 21, inside: &[] },
    Known { number: 22, inside: &[] },
    Known { number: 23, inside: &[] },
];

const DISH_OUTAGE: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
];

const DISH_GPS_STATS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 4, inside: &[] },
];

const DISH_READY_STATES: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 6, inside: &[] },
];

const SOFTWARE_UPDATE_STATS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
];

const ALIGNMENT_STATS: &[Known] = &[
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 8, inside: &[] },
    Known { number: 9, inside: &[] },
];

const DISH_UPSU_STATS: &[Known] = &[
    Known { number: 6, inside: &[] },
    Known { number: 7, inside: &[] },
];

const DISH_APS_STATS: &[Known] = &[
    Known { number: 6, inside: &[] },
];

const DISH_BATTERY_STATS: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
];

const DISH_CONFIG: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 6, inside: &[] },
    Known { number: 7, inside: &[] },
    Known { number: 9, inside: &[] },
];

const DISH_GET_HISTORY_RESPONSE: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 1001, inside: &[] },
    Known { number: 1002, inside: &[] },
    Known { number: 1003, inside: &[] },
    Known { number: 1004, inside: &[] },
    Known { number: 1009, inside: DISH_OUTAGE },
    Known { number: 1010, inside: &[] },
    Known { number: 1011, inside: EVENT_LOG },
];

const EVENT_LOG: &[Known] = &[
    Known { number: 1, inside: EVENT },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
];

const EVENT: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
];

const DISH_GET_OBSTRUCTION_MAP_RESPONSE: &[Known] = &[
    Known { number: 1, inside: &[] },
    Known { number: 2, inside: &[] },
    Known { number: 3, inside: &[] },
    Known { number: 4, inside: &[] },
    Known { number: 5, inside: &[] },
    Known { number: 6, inside: &[] },
];
